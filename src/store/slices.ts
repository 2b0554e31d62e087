import { setImmediate as others } from 'node:timers/promises'

/** Work continues for this long before a break, milliseconds. */
const sliceMs = 4

/** Maps `items` in order, in slices of a few milliseconds. The process does its other work between the slices. */
export async function mapInSlices<T, R>(items: readonly T[], map: (item: T) => R): Promise<R[]> {
  const mapped: R[] = []
  let began = performance.now()
  for (const item of items) {
    if (performance.now() - began > sliceMs) {
      await others()
      began = performance.now()
    }
    mapped.push(map(item))
  }
  return mapped
}

import { setImmediate as others } from 'node:timers/promises'

/** What goes on at a stretch, milliseconds. */
const sliceMs = 4

/** `items` mapped in their order; whatever else the process has to do is done between slices of a few milliseconds. */
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

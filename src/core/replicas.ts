import { AnchorageError } from './errors.ts'

/** The key of a pin's `meta` that says how many nodes its content is to stand on; it stays in `meta` as any other. */
export const replicasKey = 'anchorage.replicas'
export const maxReplicas = 100

/** What a pin's `meta` asks for; null when it does not, and the org's default holds. `invalid`, naming the field, for anything but 1 to 100. */
export function replicasOf(meta: Record<string, string> | undefined): number | null {
  const text = meta !== undefined && Object.hasOwn(meta, replicasKey) ? meta[replicasKey] : undefined
  if (text === undefined) return null
  if (!/^[1-9]\d{0,2}$/.test(text) || Number(text) > maxReplicas) {
    const rule = `must be a whole number from 1 to ${maxReplicas}, as a string`
    throw new AnchorageError('invalid', `meta.${replicasKey}: ${rule}`)
  }
  return Number(text)
}

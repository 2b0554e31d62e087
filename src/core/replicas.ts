import { AnchorageError } from './errors.ts'

/** The key in a pin's `meta` that sets on how many nodes its content is pinned. It stays in `meta` like any other key. */
export const replicasKey = 'anchorage.replicas'
export const maxReplicas = 100

/**
 * The number that a pin's `meta` asks for; null when it asks for none and the org's default applies. Anything but 1 to 100 is `invalid`,
 * naming the field.
 */
export function replicasOf(meta: Record<string, string> | undefined): number | null {
  const text = meta !== undefined && Object.hasOwn(meta, replicasKey) ? meta[replicasKey] : undefined
  if (text === undefined) return null
  if (!/^[1-9]\d{0,2}$/.test(text) || Number(text) > maxReplicas) {
    const rule = `must be a whole number from 1 to ${maxReplicas}, as a string`
    throw new AnchorageError('invalid', `meta.${replicasKey}: ${rule}`)
  }
  return Number(text)
}

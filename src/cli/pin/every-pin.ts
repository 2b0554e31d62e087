import { AnchorageError } from '../../core/errors.ts'
import type { PinClient, PinFilters, PinStatus } from '../../http/client.ts'
import { patiently } from './patiently.ts'

/** At most what the specification allows; services may give fewer. */
const pageSize = 1000

/** Where a walk goes on: the `created` of the oldest pin so far, and the ids of those that share its millisecond. */
export interface Place {
  created: string
  ids: ReadonlySet<string>
}

/**
 * All pins that match, newest first, page after page, of any service of the specification: pages may be shorter than asked for, and pins may
 * share a `created`, so each page begins at the last millisecond of the one before it, and what is known already is left out. `count` is how
 * many match by the service's word. Rejects with `unavailable` when that is more than it lists in the end.
 */
export async function* everyPin(
  client: PinClient,
  filters: PinFilters,
  from: Place | null,
  signal: AbortSignal,
): AsyncGenerator<{ pins: PinStatus[]; count: number }> {
  let place = from
  for (;;) {
    const before = place === null ? {} : { before: justAfter(place.created) }
    const page = await patiently(
      () => client.list({ ...filters, ...before, limit: pageSize }, signal),
      signal,
    )
    const pins = page.results.filter((pin) => place === null || isBeyond(pin, place))
    if (pins.length > 0) yield { pins, count: page.count }
    if (page.count <= page.results.length) return
    const next = placeAfter(pins, place)
    if (next === null)
      throw new AnchorageError(
        'unavailable',
        `the service says that ${page.count} more pins match, and lists ${page.results.length} of them over and over`,
      )
    place = next
  }
}

/** Null when there was nothing new. */
export function placeAfter(pins: readonly PinStatus[], place: Place | null): Place | null {
  const oldest = pins.reduce<string | null>(
    (least, { created }) => (least === null || Date.parse(created) < Date.parse(least) ? created : least),
    null,
  )
  if (oldest === null) return null
  const same = pins.filter(({ created }) => Date.parse(created) === Date.parse(oldest))
  const also = place !== null && Date.parse(place.created) === Date.parse(oldest) ? place.ids : []
  return { created: oldest, ids: new Set([...also, ...same.map(({ requestid }) => requestid)]) }
}

/** Not known already, even if the service does not keep to `before`. */
function isBeyond({ created, requestid }: PinStatus, place: Place): boolean {
  return Date.parse(created) <= Date.parse(place.created) && !place.ids.has(requestid)
}

/** The next millisecond: services may keep more digits than JavaScript reads. */
function justAfter(created: string): string {
  return new Date(Date.parse(created) + 1).toISOString()
}

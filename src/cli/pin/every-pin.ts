import { AnchorageError } from '../../core/errors.ts'
import type { PinClient, PinFilters, PinStatus } from '../../http/client.ts'
import { patiently } from './patiently.ts'

/** The specification allows at most this; services may return fewer. */
const pageSize = 1000

/** Where the listing continues: the `created` of the oldest pin so far, and the ids of the pins that share its millisecond. */
export interface Place {
  created: string
  ids: ReadonlySet<string>
}

/**
 * Yields all pins that match, newest first, page by page, from any service of the specification. Pages may be shorter than asked for,
 * and pins may share a `created`. So each page begins at the last millisecond of the page before it, and pins that are known already
 * are left out. `count` is how many pins match according to the service. Rejects with `unavailable` when the service lists fewer in the
 * end.
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
        `the service reports ${page.count} more matching pins, but lists the same ${page.results.length} again and again`,
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

/** Whether the pin is new, even if the service ignores `before`. */
function isBeyond({ created, requestid }: PinStatus, place: Place): boolean {
  return Date.parse(created) <= Date.parse(place.created) && !place.ids.has(requestid)
}

/** The next millisecond: services may keep more digits than JavaScript parses. */
function justAfter(created: string): string {
  return new Date(Date.parse(created) + 1).toISOString()
}

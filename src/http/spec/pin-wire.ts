import { parseCid } from '../../core/cid.ts'
import { AnchorageError, isCode } from '../../core/errors.ts'
import type { Pin as CorePin, PinQuery, PinRequest } from '../../core/pin.ts'
import { quoted } from '../invalid.ts'
import { instantMs } from './instant.ts'
import type { ListQuery, Pin, PinStatus } from './schema.ts'

const defaultLimit = 10

/** Converts a validated body for the core. Throws `invalid` for errors that no schema can find. Unlisted properties are dropped here. */
export function pinRequest({ cid, name, origins, meta }: Pin): PinRequest {
  inField('cid', () => parseCid(cid))
  if (name !== undefined) wellFormed('name', name)
  origins?.forEach((origin, i) => beginsAsMultiaddr(`origins.${i}`, origin))
  if (meta !== undefined) wellFormedMap(meta)
  return {
    cid,
    ...(name !== undefined && { name }),
    ...(origins !== undefined && { origins }),
    ...(meta !== undefined && { meta }),
  }
}

/**
 * Converts a validated list query for the core. Without a filter only pins with the status `pinned` are listed. `limit`, `before` and
 * `after` make pages and do not count as filters.
 */
export function pinQuery({
  limit = defaultLimit,
  cid,
  name,
  match,
  status,
  before,
  after,
  meta,
}: ListQuery): PinQuery {
  if (meta !== undefined) wellFormedMap(meta)
  const isFiltered = [cid, name, status, meta].some((filter) => filter !== undefined)
  return {
    limit,
    ...(cid !== undefined && { cids: [...new Set(cid.map((each) => inField('cid', () => parseCid(each))))] }),
    ...(name !== undefined && { name, match: match ?? 'exact' }),
    ...(status !== undefined ? { statuses: status } : !isFiltered && { statuses: ['pinned'] }),
    ...(before !== undefined && { before: instant('before', before) }),
    ...(after !== undefined && { after: instant('after', after) }),
    ...(meta !== undefined && { meta }),
  }
}

/** A pin as its client sees it. */
export function pinStatus({
  id,
  status,
  created,
  cid,
  name,
  origins,
  meta,
  delegates,
  info,
}: CorePin): PinStatus {
  return {
    requestid: id,
    status,
    created: created.toISOString(),
    pin: {
      cid,
      ...(name !== undefined && { name }),
      ...(origins !== undefined && { origins }),
      ...(meta !== undefined && { meta }),
    },
    delegates,
    info,
  }
}

function inField<T>(field: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    if (!isCode(cause, 'invalid')) throw cause
    throw new AnchorageError('invalid', `${field}: ${cause.message}`, { cause })
  }
}

function instant(field: string, text: string): number {
  const ms = instantMs(text)
  if (ms === null) throw new AnchorageError('invalid', `${field}: must be an RFC 3339 date-time`)
  return ms
}

function wellFormedMap(meta: Record<string, string>): void {
  for (const [key, value] of Object.entries(meta)) {
    wellFormed('a key of meta', key)
    wellFormed(`meta.${quoted(key)}`, value)
  }
}

/** An origin may be useless, or of a protocol that is unknown here, but it must look like a multiaddr. */
function beginsAsMultiaddr(field: string, text: string): void {
  if (text.startsWith('/')) return
  const example = '/ip4/203.0.113.142/tcp/4001/p2p/PEERID'
  throw new AnchorageError(
    'invalid',
    `${field}: must be a multiaddr, which begins with a slash, such as ${example}`,
  )
}

/** JSON can hold half of a surrogate pair, which is no character: no database and no other program would accept it. */
function wellFormed(field: string, text: string): void {
  if (!text.isWellFormed())
    throw new AnchorageError(
      'invalid',
      `${field}: contains half of a surrogate pair, which is not valid text`,
    )
}

import { pinStatuses, nameMatches } from '../../core/pin.ts'
import { oneOf } from '../../app/config-kinds.ts'
import type { PinFilters } from '../../http/client.ts'
import { WrongUse } from '../verb.ts'

/** The options that choose pins, as `GET /pins` has them. */
export const filterOptions = {
  cid: { type: 'string' },
  name: { type: 'string' },
  match: { type: 'string' },
  status: { type: 'string' },
  meta: { type: 'string', multiple: true },
} as const

export interface FilterValues {
  cid?: string
  name?: string
  match?: string
  status?: string
  meta?: string[]
}

/** The filters that the options ask for; without --status, pins of every status are meant. */
export function filtersOf(values: FilterValues): PinFilters {
  const { cid, name, match, status = pinStatuses.join(','), meta = [] } = values
  return {
    status: status.split(',').map((each) => among(each, pinStatuses, '--status')),
    ...(cid === undefined ? {} : { cid: cid.split(',') }),
    ...(name === undefined ? {} : { name }),
    ...(match === undefined ? {} : { match: among(match, nameMatches, '--match') }),
    ...(meta.length === 0 ? {} : { meta: metaOf(meta) }),
  }
}

/** `KEY=VALUE` pairs as an object. */
export function metaOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) throw new WrongUse(`--meta ${pair}: expected KEY=VALUE`)
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}

function among<T extends string>(given: string, values: readonly T[], what: string): T {
  try {
    return oneOf(...values).parse(given)
  } catch (error) {
    throw new WrongUse(`${what} ${given}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

import type { OrgId } from '../core/ids.ts'
import { searchesFor, type PinPage, type PinQuery } from '../core/pin.ts'
import { turns } from '../core/turns.ts'
import { connectionsPerRole } from './connections.ts'
import type { PageSize } from './list-pins.ts'

/** At most this many lists of one org wait for their turn. */
export const waitingLists = 200

/** A list that asks for more pins than this is never tried as a small page. */
export const fewPins = 250

/**
 * Runs `work`, which lists the pins of `orgId`, when its turn comes, and once more when the page turns out not to be small (null). When
 * `signal` aborts, it stops waiting.
 */
export type ListTurns = (
  orgId: OrgId,
  query: PinQuery,
  work: (size: PageSize) => Promise<PinPage | null>,
  signal?: AbortSignal,
) => Promise<PinPage>

/**
 * Lists share the tenant role's connections fairly. One org runs `perOrg` lists at a time, and half as many searches, since a search may
 * read all that the org has. All orgs together use three of four connections for lists, and two of four for searches. So no list waits
 * behind the many lists of another org, and a request that only reads or writes one pin waits behind no list. A page that is not small
 * keeps Postgres and the node busy for a while, so only one runs at a time, and orgs take turns.
 */
export function listTurns(perOrg: number): ListTurns {
  const part = (of: number, share: number): number => Math.max(1, Math.floor(of * share))
  const ofOrg = (atOnce: number, what: string) =>
    turns({ atOnce, waiting: waitingLists, what: `${what} of one org` })
  const ofAll = (atOnce: number, what: string) => turns({ atOnce, waiting: Infinity, what })
  const listsOf = ofOrg(perOrg, 'lists')
  const searchesOf = ofOrg(part(perOrg, 1 / 2), 'filtered lists')
  const largeOf = ofOrg(1, 'large pages')
  const lists = ofAll(part(connectionsPerRole, 3 / 4), 'lists')
  const searches = ofAll(part(connectionsPerRole, 1 / 2), 'filtered lists')
  const large = ofAll(1, 'large pages')

  return async (orgId, query, work, signal) => {
    const list = (size: PageSize) => () =>
      listsOf.during(orgId, () => lists.during('all', () => work(size), signal), signal)
    const search = (size: PageSize) => () =>
      searchesOf.during(orgId, () => searches.during('all', list(size), signal), signal)
    const asked = searchesFor(query) ? search : list

    const page = query.limit > fewPins ? null : await asked('small')()
    if (page !== null) return page
    const found = await largeOf.during(orgId, () => large.during('all', asked('any'), signal), signal)
    if (found === null) throw new Error('a page without a size limit was reported as not small')
    return found
  }
}

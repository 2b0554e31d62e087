import type { OrgId } from '../core/ids.ts'
import type { PinPage, PinQuery } from '../core/pin.ts'
import { turns } from '../core/turns.ts'
import { connectionsPerRole } from './connections.ts'

/** So many lists of one org wait for their turn. */
export const waitingLists = 200

/** Runs `work`, which lists `orgId`'s pins, when it is its turn; who gives up (`signal`) waits no longer. */
export type ListTurns = (
  orgId: OrgId,
  query: PinQuery,
  work: () => Promise<PinPage>,
  signal?: AbortSignal,
) => Promise<PinPage>

/**
 * Lists share the tenant's connections fairly: of one org `perOrg` go on at a time, and half as many that search, since those may read
 * all that the org has; of all orgs together three of four connections hold lists, and two of four searches. So no list waits behind
 * another org's many, and what only looks up or writes a pin behind none.
 */
export function listTurns(perOrg: number): ListTurns {
  const part = (of: number, share: number): number => Math.max(1, Math.floor(of * share))
  const listsOf = turns({ atOnce: perOrg, waiting: waitingLists, what: 'lists of one org' })
  const searchesOf = turns({
    atOnce: part(perOrg, 1 / 2),
    waiting: waitingLists,
    what: 'filtered lists of one org',
  })
  const lists = turns({ atOnce: part(connectionsPerRole, 3 / 4), waiting: Infinity, what: 'lists' })
  const searches = turns({
    atOnce: part(connectionsPerRole, 1 / 2),
    waiting: Infinity,
    what: 'filtered lists',
  })

  return (orgId, query, work, signal) => {
    const list = () => listsOf.during(orgId, () => lists.during('all', work, signal), signal)
    if (!searchesFor(query)) return list()
    return searchesOf.during(orgId, () => searches.during('all', list, signal), signal)
  }
}

/** Whether more is read than a page, which an index gives. */
export function searchesFor({ cids, name, meta }: PinQuery): boolean {
  return cids !== undefined || name !== undefined || Object.keys(meta ?? {}).length > 0
}

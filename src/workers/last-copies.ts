import { gather } from '../core/gather.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { PlacementStore } from '../core/ports.ts'

/** CIDs in one query. */
const max = 64

/** Whether pins want a content and no other node has a copy that counts. Calls that come at a time share a query. */
export function lastCopies(
  identity: NodeIdentity,
  placements: Pick<PlacementStore, 'lastCopies'>,
): (cid: string) => Promise<boolean> {
  const ask = gather(
    async (_key, cids: string[]) => {
      const last = new Set(await placements.lastCopies(identity, cids))
      return cids.map((cid) => last.has(cid))
    },
    { max },
  )
  return (cid) => ask('all', cid)
}

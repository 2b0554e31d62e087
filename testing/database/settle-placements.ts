import type { Epoch } from '../../src/core/epoch.ts'
import type { NodeIdentity } from '../../src/core/node.ts'
import type { Store } from '../../src/store/store.ts'

type Settled = Pick<Store, 'placements' | 'sweep'>

/** Does once what the leader's sweep does with contents; returns how many rows there were to do. */
export async function sweepOnce({ sweep }: Settled, epoch: Epoch): Promise<number> {
  const holds = await sweep.releaseHolds(epoch, 50)
  const due = await sweep.releaseDue(epoch, 50)
  await sweep.finishFolds(epoch, 50)
  return holds.rows + due.rows
}

/** Acts as `node`, whose Kubo does everything at once, and as the leader, until neither has anything to do three times in a row. */
export async function settlePlacements(
  store: Settled,
  node: NodeIdentity,
  epoch: Epoch,
  sizeOf: (cid: string) => number = () => 1,
): Promise<void> {
  for (let quietRounds = 0; quietRounds < 3;) {
    const claims = await store.placements.claim(node, await store.placements.due(node, 100, 100), 30_000)
    await store.placements.finish(
      node,
      claims.map(({ cid, generation, work }) => ({
        cid,
        generation,
        outcome:
          work === 'unpin'
            ? { kind: 'unpinned' }
            : { kind: 'pinned', blocks: 1, bytes: sizeOf(cid), foreignPin: false },
      })),
    )
    const swept = await sweepOnce(store, epoch)
    quietRounds = claims.length + swept === 0 ? quietRounds + 1 : 0
  }
}

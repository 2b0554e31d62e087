import { AnchorageError } from '../core/errors.ts'
import { uuidOf, type NodeId } from '../core/ids.ts'
import { audit } from './audit.ts'
import type { Database, SystemTx } from './database.ts'
import { freshMs } from './node-rows.ts'

/** Placements that one transaction queues again. */
const batch = 500

/** The Kubo that the node called `name` is bound to; null when it is bound to none. */
export async function peerIdOf(tx: SystemTx, name: string): Promise<string | null> {
  const [row] = await tx.query<{ peer_id: string | null }>('select peer_id from nodes where name = $1', [
    name,
  ])
  if (row === undefined) throw new AnchorageError('not_found', `there is no node ${name}`)
  return row.peer_id
}

/**
 * Binds the node to the Kubo `peerId` instead of the one it had. First it queues every pinned placement again, in batches, and only then
 * changes the binding. So a copy in the old Kubo never counts as one in the new Kubo, and a call that breaks off can be repeated.
 */
export async function adoptNode(db: Database, nodeId: NodeId, peerId: string, actor: string): Promise<void> {
  const id = uuidOf(nodeId)
  for (let after: string | null = ''; after !== null;) {
    const [row]: { last: string | null }[] = await db.statement.query(
      'select requeue_pinned($1, $2, $3, $4) as last',
      [id, freshMs, after, batch],
    )
    after = row?.last ?? null
  }
  await db.system(async (tx) => {
    const [bound] = await tx.query<{ name: string; was: string | null }>(
      `update nodes n set peer_id = $2, multiaddrs = '{}', capacity_bytes = null, used_bytes = null, folder_id = null, machine = null
       from (select id, peer_id as was from nodes where id = $1 for update) o
       where n.id = o.id and n.last_seen < clock_timestamp() - make_interval(secs => $3 / 1000.0) returning n.name, o.was`,
      [id, peerId, freshMs],
    )
    if (bound === undefined)
      throw new AnchorageError('conflict', 'the node has come back in the meantime: stop it first')
    const { name, was } = bound
    await audit(tx, { actor, action: 'node.adopt', target: nodeId, details: { name, from: was, to: peerId } })
  })
}

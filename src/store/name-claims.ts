import { AnchorageError } from '../core/errors.ts'
import { uuidOf } from '../core/ids.ts'
import { mayTake, NameHeld, type ClaimedNode, type NameClaim } from '../core/name-claim.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { SharedSettings } from '../core/shared-settings.ts'
import type { SystemTx } from './database.ts'
import { claimMasterKey } from './master-key.ts'
import { freshMs } from './node-rows.ts'
import type { Query } from './query.ts'

/** Any constant will do, as long as it never changes. */
const lockClass = 7_245_114

/**
 * Rejects, with what to do, unless a process that shows `claim` may take the name: `conflict` (`NameHeld` if it may be free soon), and
 * `invalid` for another master key. Until the transaction ends, no other process is compared, so of two that start at once one gets it.
 */
export async function assertMayTake(tx: SystemTx, name: string, claim: NameClaim): Promise<void> {
  await tx.query('select pg_advisory_xact_lock($1, 0)', [lockClass])
  if (claim.masterKey !== null) await claimMasterKey(tx, claim.masterKey)
  const verdict = mayTake(name, claim, await claimedNodes(tx.query))
  if (verdict.may === 'wait') throw new NameHeld('conflict', verdict.reason)
  if (verdict.may === 'refuse') throw new AnchorageError('conflict', verdict.reason)
}

/**
 * Saves what the process that has just taken the name has shown. One that shows where it runs holds the name from now on. It cannot work
 * yet; if an older process could not work either, the node has been unable since then.
 */
export async function noteClaim(
  tx: SystemTx,
  { nodeId }: NodeIdentity,
  { folderId, machine, settings }: NameClaim,
): Promise<void> {
  await tx.query(
    'update nodes set folder_id = coalesce($2, folder_id), machine = $3, settings = $4 where id = $1',
    [uuidOf(nodeId), folderId, machine, Object.keys(settings).length === 0 ? null : settings],
  )
  if (machine === null) return
  await tx.query(
    `update nodes set last_seen = now(), unable_since = coalesce(unable_since, now()), unable_what = 'kubo',
       unable_reason = 'the node has just started' where id = $1`,
    [uuidOf(nodeId)],
  )
}

/** What is known of every node's latest process. */
export async function claimedNodes(query: Query): Promise<ClaimedNode[]> {
  const rows = await query<{
    name: string
    folder_id: string | null
    machine: string | null
    peer_id: string | null
    settings: SharedSettings | null
    live: boolean
    silent_ms: number
  }>(
    `select name, folder_id, machine, peer_id, settings,
       last_seen > clock_timestamp() - make_interval(secs => $1 / 1000.0) as live,
       (extract(epoch from clock_timestamp() - last_seen) * 1000)::float8 as silent_ms from nodes order by name`,
    [freshMs],
  )
  return rows.map(({ name, folder_id, machine, peer_id, settings, live, silent_ms }) => ({
    name,
    folderId: folder_id,
    machine,
    peerId: peer_id,
    settings,
    live,
    silentMs: silent_ms,
  }))
}

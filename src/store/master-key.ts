import { AnchorageError } from '../core/errors.ts'
import { masterKeyAdvice } from '../core/master-key.ts'
import type { SystemTx } from './database.ts'
import type { Query } from './query.ts'

/**
 * Rejects (`invalid`, with what to do) when the cluster has the fingerprint of another master key. Saves this one if it has none, or always
 * with `isNew`.
 * Locks: the cluster's row, only if it changes. Call this before anything else is locked: leaders lock that row first.
 */
export async function claimMasterKey(tx: SystemTx, fingerprint: string, isNew = false): Promise<void> {
  await tx.query('update cluster set master_key = $1 where master_key is null or ($2 and master_key <> $1)', [
    fingerprint,
    isNew,
  ])
  const known = await masterKeyOf(tx.query)
  if (known !== fingerprint)
    throw new AnchorageError('invalid', `auth.masterKey is not this cluster's master key: ${masterKeyAdvice}`)
}

/** The fingerprint of the cluster's master key; null while no node has started and no signing key was made. */
export async function masterKeyOf(query: Query): Promise<string | null> {
  const [row] = await query<{ master_key: string | null }>('select master_key from cluster')
  return row?.master_key ?? null
}

import { idOf, uuidOf, type KeyId } from '../core/ids.ts'
import type { TokenStore } from '../core/ports.ts'
import type { SigningKey } from '../core/token.ts'
import { audit } from './audit.ts'
import type { Database, SystemTx } from './database.ts'
import { claimMasterKey } from './master-key.ts'

/** A key is kept this long after its last token has expired: on a node whose clock is slow, the token still counts as valid. */
const slowClockMs = 10 * 60_000

/** The keys behind the tokens: that part of `TokenStore`. */
export function keyStore(db: Database): Pick<TokenStore, 'signingKeys' | 'rotateKey' | 'retireKeys'> {
  return {
    signingKeys: () => signingKeys(db.statement),
    rotateKey: (key, actor = 'operator', atOnce = false, wrappedWith = null) =>
      db.system(async (tx) => {
        if (wrappedWith !== null) await claimMasterKey(tx, wrappedWith.fingerprint, wrappedWith.isNew)
        await tx.query('lock table signing_keys in share row exclusive mode')
        await tx.query(`update signing_keys set state = 'verify' where state = 'active'`)
        await (atOnce ? retire(tx, actor, 'true', []) : retireKeys(tx, actor))
        await tx.query(`insert into signing_keys (id, wrapped, state) values ($1, $2, 'active')`, [
          uuidOf(key.id),
          key.wrapped,
        ])
        await audit(tx, { actor, action: 'key.rotate', target: key.id })
      }),
    retireKeys: (actor) => db.system((tx) => retireKeys(tx, actor)),
  }
}

export async function signingKeys(tx: SystemTx): Promise<SigningKey[]> {
  const rows = await tx.query<{ id: string; wrapped: Buffer; state: SigningKey['state'] }>(
    `select id, wrapped, state from signing_keys where state <> 'retired' order by created_at desc`,
  )
  return rows.map((row) => ({ id: idOf('key', row.id), wrapped: row.wrapped, state: row.state }))
}

/**
 * Retires keys that only verify and whose last token has expired: their secrets are deleted. No new token is signed with such a key, so it
 * cannot get another token. A second call finds nothing.
 */
async function retireKeys(tx: SystemTx, actor = 'operator'): Promise<KeyId[]> {
  const isOver = `not exists (select from api_tokens t where t.key_id = k.id
    and t.expires_at > clock_timestamp() - make_interval(secs => $1 / 1000.0))`
  return retire(tx, actor, isOver, [slowClockMs])
}

async function retire(tx: SystemTx, actor: string, which: string, params: unknown[]): Promise<KeyId[]> {
  const rows = await tx.query<{ id: string }>(
    `update signing_keys k set state = 'retired', wrapped = '' where state = 'verify' and ${which} returning id`,
    params,
  )
  const retired = rows.map(({ id }) => idOf('key', id))
  for (const target of retired) await audit(tx, { actor, action: 'key.retire', target })
  return retired
}

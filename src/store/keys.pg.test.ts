import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { minter, type MintedToken } from '../auth/minter.ts'
import { verifier } from '../auth/verifier.ts'
import { systemClock as clock } from '../app/clock.ts'
import { isCode } from '../core/errors.ts'
import { mintId, uuidOf, type KeyId, type OrgId } from '../core/ids.ts'
import type { ApiToken, SigningKey } from '../core/token.ts'
import { until } from '../../testing/settle.ts'
import { testStore } from '../../testing/database/test-store.ts'
import { silentLog } from '../core/silent-log.ts'
import { openStore } from './store.ts'

const masterKey = randomBytes(32)
const { database, store, system } = await testStore()
let org: OrgId

before(async () => {
  org = (await store.orgDirectory.createOrg('ours', {}, 'operator')).id
})

async function newKey(): Promise<KeyId> {
  const key: SigningKey = { id: mintId('key'), wrapped: randomBytes(60), state: 'active' }
  await store.tokens.rotateKey(key)
  return key.id
}

function tokenOf(keyId: KeyId, expiresAt = new Date(Date.now() + 3_600_000)): ApiToken {
  return {
    id: mintId('tok'),
    orgId: org,
    keyId,
    name: null,
    scopes: ['pins:read'],
    expiresAt,
    createdBy: null,
  }
}

async function stateOf(id: KeyId): Promise<{ state: string; bytes: number } | undefined> {
  const text = 'select state, length(wrapped) as bytes from signing_keys where id = $1'
  const { rows } = await system.query<{ state: string; bytes: number }>(text, [uuidOf(id)])
  return rows[0]
}

test('an org has no more live tokens than its limit, however many are made at once', async () => {
  await using few = openStore({ ...database, log: silentLog, maxTokens: 3 })
  const { id: orgId } = await few.orgDirectory.createOrg('few-tokens', {}, 'operator')
  const key = await newKey()
  const made = () => ({ ...tokenOf(key), orgId })
  const first = made()
  await few.tokens.insertToken({ ...made(), expiresAt: new Date(Date.now() - 1_000) })
  await few.tokens.insertToken(first)
  const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => few.tokens.insertToken(made())))
  const refusals = outcomes.filter((outcome) => outcome.status === 'rejected')
  assert.equal(refusals.length, 4)
  for (const { reason } of refusals)
    assert.ok(
      isCode(reason, 'over_quota') && /has 3 valid access tokens .* may have 3: revoke/.test(reason.message),
    )
  await few.tokens.revokeToken(first.id)
  await few.tokens.insertToken(made())
})

test('a key goes from active to verify, and retires and loses its secret a while after its last token has expired', async () => {
  const key = await newKey()
  const [short, long] = [tokenOf(key), tokenOf(key)]
  await store.tokens.insertToken(short)
  await store.tokens.insertToken(long)
  assert.equal((await stateOf(key))?.state, 'active')
  await newKey()
  assert.deepEqual(await stateOf(key), { state: 'verify', bytes: 60 })

  const overFor = (token: ApiToken, span: string) =>
    system.query('update api_tokens set expires_at = now() - $2::interval where id = $1', [
      uuidOf(token.id),
      span,
    ])
  await overFor(short, '1 day')
  assert.deepEqual(await store.tokens.retireKeys(), [], 'one lives')
  await overFor(long, '1 minute')
  assert.deepEqual(await store.tokens.retireKeys(), [], 'by a slow clock one may live')
  await overFor(long, '1 hour')
  assert.deepEqual(await store.tokens.retireKeys(), [key])
  assert.deepEqual(await stateOf(key), { state: 'retired', bytes: 0 })
  assert.deepEqual(await store.tokens.retireKeys(), [], 'the second time there is none')
  const entries = await store.operator.audit({ limit: 100 })
  assert.equal(entries.filter(({ action, target }) => action === 'key.retire' && target === key).length, 1)
})

test('tokens that expired long ago are pruned, and no others', async () => {
  const key = await newKey()
  const [old, recent, living] = [tokenOf(key), tokenOf(key), tokenOf(key)]
  for (const token of [old, recent, living]) await store.tokens.insertToken(token)
  const over = 'update api_tokens set expires_at = now() - $2::interval where id = $1'
  await system.query(over, [uuidOf(old.id), '31 days'])
  await system.query(over, [uuidOf(recent.id), '29 days'])
  const keepMs = 30 * 86_400_000
  assert.equal(await store.tokens.pruneTokens(keepMs, 10), 1)
  assert.equal(await store.tokens.pruneTokens(keepMs, 10), 0)
  assert.equal(await store.tokens.tokenState(old.id), null)
  for (const kept of [recent, living]) assert.notEqual(await store.tokens.tokenState(kept.id), null)
})

test('the active key does not retire, even if it has signed nothing', async () => {
  const key = await newKey()
  await store.tokens.retireKeys()
  assert.equal((await stateOf(key))?.state, 'active')
})

test('a rotation waits for a token that is being stored, and does not retire its key', async () => {
  const key = await newKey()
  const token = tokenOf(key)
  await system.query('begin')
  await system.query('select from signing_keys where id = $1 for share', [uuidOf(key)])
  const rotated = newKey()
  assert.equal(await Promise.race([rotated, sleep(200, 'waits')]), 'waits')
  await system.query(
    'insert into api_tokens (id, org_id, key_id, scopes, expires_at) values ($1, $2, $3, $4, $5)',
    [uuidOf(token.id), uuidOf(org), uuidOf(key), token.scopes, token.expiresAt],
  )
  await system.query('commit')
  await rotated
  assert.equal((await stateOf(key))?.state, 'verify')
})

test('a token whose key is rotated while it is being stored is refused and leaves no trace', async () => {
  const key = await newKey()
  const token = tokenOf(key)
  await system.query('begin')
  await system.query(`update signing_keys set state = 'verify' where id = $1`, [uuidOf(key)])
  const stored = store.tokens.insertToken(token)
  assert.equal(await Promise.race([stored.catch(() => 'refused'), sleep(200, 'waits')]), 'waits')
  await system.query('commit')
  await assert.rejects(stored, (error) => isCode(error, 'conflict'))
  assert.equal(await store.tokens.tokenState(token.id), null)
  const entries = await store.operator.audit({ limit: 10 })
  assert.equal(entries.filter(({ target }) => target === token.id).length, 0)
  await newKey()
})

test('a rotation at once ends the tokens of older keys, and the new key signs', async () => {
  const mint = minter({ store: store.tokens, masterKey, clock, actor: 'operator:test' })
  const request = { orgId: org, name: null, scopes: ['pins:read'], ttlMs: 60_000, createdBy: null }
  await mint.rotateKey()
  const { token: old } = await mint.mint(request)
  const { kid } = await mint.rotateKey({ atOnce: true })
  const { token, id } = await mint.mint(request)
  const { verify } = verifier({ store: store.tokens, masterKey, clock })
  await assert.rejects(verify(old), (error) => isCode(error, 'unauthenticated') && /key/.test(error.message))
  assert.equal((await verify(token)).actor, id)
  const { rows } = await system.query(`select id, state, wrapped from signing_keys where state <> 'retired'`)
  assert.deepEqual(
    rows.map((row) => row.id),
    [uuidOf(kid)],
  )
  const [last] = await store.operator.audit({ limit: 3 })
  assert.equal(last?.actor, 'operator:test')
})

test('tokens that are minted while keys rotate and retire all work, even on a node that has not seen the keys', async () => {
  const mint = minter({ store: store.tokens, masterKey, clock })
  await mint.rotateKey()
  const minted: MintedToken[] = []
  const made = [0, 0, 0]
  let done = false
  // each minter makes a token between two rotations, so none loses more than a few tries, however slow the machine is
  const rotating = async () => {
    for (let n = 0; n < 25; n++) {
      const before = [...made]
      await mint.rotateKey()
      await until('each has made a token', () => made.every((count, i) => count > (before[i] ?? 0)))
    }
  }
  const minting = async (minter: number) => {
    while (!done) {
      minted.push(
        await mint.mint({ orgId: org, name: null, scopes: ['pins:read'], ttlMs: 60_000, createdBy: null }),
      )
      made[minter] = (made[minter] ?? 0) + 1
    }
  }
  const rotated = rotating().finally(() => (done = true))
  await Promise.all([rotated, ...made.map((_, minter) => minting(minter))])
  await store.tokens.retireKeys()
  const { verify } = verifier({ store: store.tokens, masterKey, clock })
  for (const { token, id } of minted) assert.equal((await verify(token)).actor, id)
  assert.ok(new Set(minted.map(({ kid }) => kid)).size > 5, 'many keys signed')
})

test('a rotation with another master key is refused and changes nothing, unless that key is to be the new one', async () => {
  await minter({ store: store.tokens, masterKey, clock }).rotateKey()
  const rows = async () => (await system.query('select * from signing_keys order by id')).rows
  const before = await rows()
  const wrong = minter({ store: store.tokens, masterKey: randomBytes(32), clock })
  await assert.rejects(
    wrong.rotateKey({ atOnce: true }),
    (error) =>
      isCode(error, 'invalid') && /not this cluster's master key.*--new-master-key/.test(error.message),
  )
  assert.deepEqual(await rows(), before)
  const { kid } = await wrong.rotateKey({ newMasterKey: true })
  const living = (await rows()).filter(({ state }) => state !== 'retired')
  assert.deepEqual(
    living.map(({ id }) => id),
    [uuidOf(kid)],
  )
  await assert.rejects(minter({ store: store.tokens, masterKey, clock }).rotateKey(), /master key/)
})

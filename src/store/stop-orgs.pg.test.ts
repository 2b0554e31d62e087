import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { before, test } from 'node:test'
import pg from 'pg'
import { assertAgreement } from '../../testing/database/agreement.ts'
import { until } from '../../testing/settle.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { settlePlacements, sweepOnce } from '../../testing/database/settle-placements.ts'
import { testStore } from '../../testing/database/test-store.ts'
import type { Epoch } from '../core/epoch.ts'
import { isCode } from '../core/errors.ts'
import { mintId, uuidOf, type KeyId, type OrgId, type TokenId } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { NewPin, Pin } from '../core/pin.ts'
import type { Claim } from '../core/placement.ts'
import type { Store } from './store.ts'

const actor = mintId('tok')
const claimMs = 30_000
const { database, store, system } = await testStore()
let node: NodeIdentity
let epoch: Epoch
let keyId: KeyId

before(async () => {
  node = await store.nodes.boot('node-1')
  epoch = await nextEpoch(store)
  keyId = mintId('key')
  await store.tokens.rotateKey({ id: keyId, wrapped: randomBytes(40), state: 'active' })
})

test('tokens, sessions and the org itself show a suspension with its reason, and no token is made meanwhile', async () => {
  const { id } = await store.orgDirectory.createOrg('told', {}, 'test')
  const tokenId = await token(id)
  const hash = await login('told')
  const seen = async () => [
    (await store.tokens.tokenState(tokenId))?.suspended,
    (await store.sessions.session(hash, 60_000))?.memberships[0]?.suspended,
    (await store.orgDirectory.findOrg('told')).suspended?.reason,
  ]
  assert.deepEqual(await seen(), [null, null, undefined])
  const first = await store.orgDirectory.suspendOrg(id, 'a reason\u0000', 'test')
  assert.deepEqual(await seen(), ['a reason\u0000', 'a reason\u0000', 'a reason\u0000'])
  await assert.rejects(token(id), (e) => isCode(e, 'forbidden') && /suspended: a reason/.test(e.message))
  const second = await store.orgDirectory.suspendOrg(id, 'another', 'test')
  assert.deepEqual(second.suspended, { reason: 'another', since: first.suspended?.since })
  for (const _ of ['resumed', 'again'])
    assert.equal((await store.orgDirectory.resumeOrg(id, 'test')).suspended, null)
  assert.deepEqual(await seen(), [null, null, undefined])
  await token(id)
  assert.deepEqual(await actions(id), [
    'org.create',
    'token.create',
    'member.set',
    'org.suspend',
    'org.suspend',
    'org.resume',
    'token.create',
  ])
  await assert.rejects(store.orgDirectory.suspendOrg(mintId('org'), 'x', 'test'), (e) =>
    isCode(e, 'not_found'),
  )
  await walked()
})

test('work that only suspended orgs wait for is not begun, and an attempt under way ends; work that another org also wants continues', async () => {
  const [bad, good] = await orgs('work')
  const running = await pin(bad, 'work-running')
  const shared = await pin(bad, 'work-shared')
  await pin(good, 'work-shared')
  const claims = await claim('work-running', 'work-shared')
  await store.placements.extend(node, claims.map(told), claimMs)
  assert.equal(await status(bad, running), 'pinning')
  const waiting = await pin(bad, 'work-waiting')
  await pin(good, 'work-waiting-shared')
  await pin(bad, 'work-waiting-shared')
  await store.orgDirectory.suspendOrg(bad, 'reported', 'test')

  assert.deepEqual(await store.placements.extend(node, claims.map(told), claimMs), ['work-running'])
  await finish(claims, 'work-running', { kind: 'released' })
  await finish(claims, 'work-shared', { kind: 'pinned', blocks: 1, bytes: 5, foreignPin: false })
  const taken = await claim('work-running', 'work-waiting', 'work-waiting-shared')
  assert.deepEqual(cidsOf(taken), ['work-waiting-shared'])
  await finish(taken, 'work-waiting-shared', { kind: 'pinned', blocks: 1, bytes: 5, foreignPin: false })
  assert.deepEqual(await due(), [], 'paused work is not read again and again')
  await sweepOnce(store, epoch)
  assert.deepEqual(
    [await status(bad, running), await status(bad, waiting), await status(bad, shared)],
    ['queued', 'queued', 'pinned'],
  )
  assert.equal(
    await store.garbage.hasHalfFetched(node),
    false,
    'no node has to wait before it collects garbage',
  )

  await store.orgDirectory.resumeOrg(bad, 'test')
  assert.deepEqual(await walked(), ['work-running', 'work-waiting'])
  await settle()
  assert.deepEqual([await status(bad, running), await status(bad, waiting)], ['pinned', 'pinned'])
})

test('work that was set aside is begun at once when an org that is not suspended asks for it', async () => {
  const [bad, good] = await orgs('asked')
  await pin(bad, 'asked')
  await store.orgDirectory.suspendOrg(bad, 'reported', 'test')
  assert.deepEqual(await claim('asked'), [])
  await pin(good, 'asked')
  assert.deepEqual(await due(), ['asked'])
  await settle()
})

test('when one of two suspended orgs is resumed, only that org gets its work back', async () => {
  const [one, two] = await orgs('both')
  for (const n of [1, 2, 3]) await pin(one, `both-one-${n}`)
  for (const n of [1, 2, 3]) await pin(two, `both-two-${n}`)
  for (const each of [one, two]) await pin(each, 'both-shared')
  for (const each of [one, two]) await store.orgDirectory.suspendOrg(each, 'reported', 'test')
  const all = await due()
  assert.equal(all.length, 7)
  assert.deepEqual(await claim(...all), [])
  await store.orgDirectory.resumeOrg(two, 'test')
  assert.deepEqual(await walked(2), ['both-shared', 'both-two-1', 'both-two-2', 'both-two-3'])
  await store.orgDirectory.resumeOrg(one, 'test')
  assert.deepEqual(await walked(2), ['both-one-1', 'both-one-2', 'both-one-3'])
  await settle()
})

test('resuming an org waits for work that is just being set aside, and wakes it', async () => {
  const [bad] = await orgs('resumed-meanwhile')
  await pin(bad, 'resumed-meanwhile')
  await store.orgDirectory.suspendOrg(bad, 'reported', 'test')
  const resumed = await whileHeld(
    'select put_by($1, $2)',
    [uuidOf(node.nodeId), JSON.stringify([{ cid: 'resumed-meanwhile' }])],
    () => store.orgDirectory.resumeOrg(bad, 'test').then(() => walked()),
  )
  assert.deepEqual(resumed, ['resumed-meanwhile'])
  await settle()
})

test('work that a concurrent accept asks for is not set aside', async () => {
  const [bad, good] = await orgs('asked-meanwhile')
  await pin(bad, 'asked-meanwhile')
  await store.orgDirectory.suspendOrg(bad, 'reported', 'test')
  const claims = await whileHeld(
    `insert into pins (org_id, id, seq, cid, replicas, status, created, accepted_at)
     select $1, $2, 1, c.cid, 1, 'queued', now(), now() from contents c where c.cid = $3 for update`,
    [uuidOf(good), uuidOf(mintId('pin')), 'asked-meanwhile'],
    () => claim('asked-meanwhile'),
  )
  assert.deepEqual(cidsOf(claims), ['asked-meanwhile'])
  await system.query('delete from pins where org_id = $1', [uuidOf(good)])
  await finish(claims, 'asked-meanwhile', { kind: 'pinned', blocks: 1, bytes: 10, foreignPin: false })
  await settle()
})

test('claiming one job of a suspended org sets aside the rest of its backlog, out of the way of others', async () => {
  const [bad, good] = await orgs('backlog')
  await pins(bad, 150, 'backlog')
  await pin(good, 'backlog-good')
  await store.orgDirectory.suspendOrg(bad, 'reported', 'test')
  assert.deepEqual(await claim('backlog-0'), [])
  assert.deepEqual(await due(), ['backlog-good'])
  await settle()
})

test('content that a suspended org has pinned stays, counts, and is repaired', async () => {
  const [bad] = await orgs('stays')
  const id = await pin(bad, 'stays')
  await finish(await claim('stays'), 'stays', { kind: 'pinned', blocks: 1, bytes: 7, foreignPin: false })
  await store.orgDirectory.suspendOrg(bad, 'reported', 'test')
  assert.equal((await store.orgs.usage(bad)).bytes, 7)
  assert.equal((await store.reconcile.requeueMissing(node, ['stays'])).length, 1)
  const repaired = await claim('stays')
  assert.deepEqual(cidsOf(repaired), ['stays'])
  await finish(repaired, 'stays', { kind: 'pinned', blocks: 1, bytes: 7, foreignPin: false })
  assert.equal(await status(bad, id), 'pinned')
})

test('an org is removed in small steps, across changes of leader and steps that broke off, and nothing of other orgs changes', async () => {
  const [bad, good] = await orgs('removed')
  const ids = await pins(bad, 7, 'removed', { a: 'b' })
  const shared = await pin(good, 'removed-3')
  await settle()
  await store.pins.replacePin(bad, ids[0] ?? assert.fail(), newPin('removed-new'), false)
  await pins(bad, 3, 'removed-unfinished')
  const tokenId = await token(bad)
  const hash = await login('removed')
  const before = await placementsOf('removed-3')

  const removing = await store.orgDirectory.removeOrg(bad, 'test')
  assert.deepEqual(
    [removing.suspended?.reason, removing.removingSince !== null],
    ['it is being removed', true],
  )
  assert.deepEqual(await store.orgDirectory.removeOrg(bad, 'test'), removing, 'repeating it changes nothing')
  await assert.rejects(store.orgDirectory.resumeOrg(bad, 'test'), (e) => isCode(e, 'conflict'))
  await assert.rejects(store.orgDirectory.suspendOrg(bad, 'x', 'test'), (e) => isCode(e, 'conflict'))
  await assert.rejects(token(bad), (e) => isCode(e, 'forbidden'))

  const seen: number[] = []
  for (let removed = false; !removed;) {
    const old = epoch
    epoch = await nextEpoch(store)
    await assert.rejects(store.orgRemoval.removeSome(old, 3), (e) => isCode(e, 'not_leading'))
    // a step that broke off before its commit
    await system.query('begin')
    await system.query('select remove_org($1, 3, 0, $2)', [epoch, uuidOf(mintId('aud'))])
    await system.query('rollback')
    const step = await store.orgRemoval.removeSome(epoch, 3)
    assert.ok(step && step.orgId === bad)
    seen.push(step.pins)
    removed = step.removed
    await settle()
  }
  assert.deepEqual(seen, [3, 3, 3, 1, 0, 0], 'pins, then tokens, then the org')
  assert.equal(await store.orgRemoval.removeSome(epoch, 3), null)

  await assert.rejects(store.orgDirectory.findOrg('removed-bad'), (e) => isCode(e, 'not_found'))
  assert.equal(await store.tokens.tokenState(tokenId), null)
  assert.deepEqual((await store.sessions.session(hash, 60_000))?.memberships, [])
  assert.deepEqual(await tablesWith(bad), ['audit_log'])
  assert.deepEqual(await placementsOf('removed-3'), before)
  assert.equal((await store.pins.getPin(good, shared)).status, 'pinned')
  for (const cid of ['removed-0', 'removed-new', 'removed-unfinished-0', 'removed-1'])
    assert.deepEqual(await placementsOf(cid), [], cid)
  assert.deepEqual((await actions(bad)).slice(-2), ['org.remove', 'org.removed'])
})

test('nothing of an org is removed while maintenance is on', async () => {
  const [bad] = await orgs('maintained')
  await pin(bad, 'maintained')
  await store.orgDirectory.removeOrg(bad, 'test')
  await store.operator.setMaintenance({ reason: 'switches', ttlMs: null }, 'test')
  await assert.rejects(store.orgRemoval.removeSome(epoch, 10), (e) => isCode(e, 'maintenance'))
  await store.operator.setMaintenance(null, 'test')
  assert.equal((await store.orgRemoval.removeSome(epoch, 10))?.pins, 1)
  while ((await store.orgRemoval.removeSome(epoch, 10)) !== null);
})

test('concurrent suspensions, accepts, attempts, resumptions and a removal leave tables that agree, and lose no work that is wanted', async () => {
  const names = ['race-a', 'race-b', 'race-c']
  const ids = await Promise.all(
    names.map(async (slug) => (await store.orgDirectory.createOrg(slug, {}, 'test')).id),
  )
  const rounds = Array.from({ length: 15 }, (_, round) => round)
  const [first, ...others] = ids
  assert.ok(first)
  const accepting = rounds.map((round) =>
    Promise.all(ids.map((id) => pin(id, `race-${round % 8}`).catch(() => null))),
  )
  const stopping = async () => {
    for (const round of rounds) {
      const id = others[round % others.length] ?? first
      await store.orgDirectory.suspendOrg(id, 'race', 'test')
      await claim(...(await due()))
      await store.orgDirectory.resumeOrg(id, 'test')
    }
    await store.orgDirectory.removeOrg(first, 'test')
  }
  const working = async () => {
    for (const _ of rounds) {
      const claims = await store.placements.claim(node, await store.placements.due(node, 10, 10), claimMs)
      const outcome = { kind: 'released' } as const
      await store.placements.extend(node, claims.map(told), claimMs)
      await store.placements.finish(
        node,
        claims.map(({ cid, generation }) => ({ cid, generation, outcome })),
      )
      await walked(3)
    }
  }
  await Promise.all([...accepting, stopping(), working(), working()])
  await walked(3)
  while ((await store.orgRemoval.removeSome(epoch, 5)) !== null);
  await system.query('update placements set claimed_until = null, state = $1 where state = $2', [
    'queued',
    'pinning',
  ])
  await settle()
  for (const id of others) assert.equal((await store.orgs.usage(id)).pins.pinned, 15)
  assert.deepEqual(await tablesWith(first), ['audit_log'])
})

/** Begins `work` while the transaction of this statement is open, and commits it once `work` waits for it. */
async function whileHeld<T>(sql: string, params: unknown[], work: () => Promise<T>): Promise<T> {
  const held = new pg.Client({ connectionString: database.systemUrl })
  await held.connect()
  try {
    await held.query('begin')
    await held.query(sql, params)
    const { rows } = await held.query<{ pid: number }>('select pg_backend_pid() as pid')
    const working = work()
    await until('it waits', async () => {
      const blocked = 'select from pg_stat_activity where pg_blocking_pids(pid) @> array[$1::int]'
      return (await system.query(blocked, [rows[0]?.pid])).rowCount === 1
    })
    await held.query('commit')
    return await working
  } finally {
    await held.end()
  }
}

/** Does all work that may be done, and checks that the tables agree. */
async function settle(): Promise<void> {
  await settlePlacements(store, node, epoch, () => 10)
  await assertAgreement(database.systemUrl)
}

async function orgs(name: string): Promise<[bad: OrgId, good: OrgId]> {
  const made = ['bad', 'good'].map((kind) => store.orgDirectory.createOrg(`${name}-${kind}`, {}, 'test'))
  const [bad, good] = await Promise.all(made)
  assert.ok(bad && good)
  return [bad.id, good.id]
}

function newPin(cid: string, more: Partial<NewPin> = {}): NewPin {
  return { id: mintId('pin'), cid, cidText: cid, replicas: 1, actor, nodes: [node.nodeId], ...more }
}

async function pin(orgId: OrgId, cid: string): Promise<Pin['id']> {
  const [outcome] = await store.pins.acceptPins(orgId, [newPin(cid)], false)
  if (outcome && 'error' in outcome) throw outcome.error
  return outcome?.pin.id ?? assert.fail('no pin')
}

async function pins(
  orgId: OrgId,
  count: number,
  name: string,
  meta?: Record<string, string>,
): Promise<Pin['id'][]> {
  const batch = Array.from({ length: count }, (_, n) => newPin(`${name}-${n}`, meta && { meta }))
  await store.pins.acceptPins(orgId, batch, false)
  return batch.map(({ id }) => id)
}

async function status(orgId: OrgId, id: Pin['id']): Promise<string> {
  return (await store.pins.getPin(orgId, id)).status
}

async function due(): Promise<string[]> {
  return (await store.placements.due(node, 1_000, 1_000)).map(({ cid }) => cid).toSorted()
}

/** Claims the placements of these contents, due or not, as hints would. */
async function claim(...cids: string[]): Promise<Claim[]> {
  const { rows } = await system.query<{ cid: string; generation: string }>(
    'select cid, generation from placements where node_id = $1 and cid = any ($2) order by cid',
    [uuidOf(node.nodeId), cids],
  )
  const jobs = rows.map(({ cid, generation }) => ({ cid, generation: Number(generation) }))
  return await store.placements.claim(node, jobs, claimMs)
}

function cidsOf(claims: Claim[]): string[] {
  return claims.map(({ cid }) => cid)
}

function told({ cid, generation }: Claim) {
  return { cid, generation, blocks: 1, bytes: 1 }
}

async function finish(
  claims: Claim[],
  cid: string,
  outcome: Parameters<Store['placements']['finish']>[1][number]['outcome'],
): Promise<void> {
  const { generation } = claims.find((each) => each.cid === cid) ?? assert.fail(`${cid} was not claimed`)
  await store.placements.finish(node, [{ cid, generation, outcome }])
}

/** Finishes the walk over the work of orgs that were resumed; returns what it woke. */
async function walked(limit = 100): Promise<string[]> {
  const woken: string[] = []
  for (;;) {
    const { rows, jobs } = await store.sweep.wakePutBy(epoch, limit)
    if (rows === 0) return woken
    woken.push(...jobs.map(({ cid }) => cid))
  }
}

async function placementsOf(cid: string): Promise<{ node_id: string; state: string; generation: string }[]> {
  const sql = 'select node_id, state, generation from placements where cid = $1 order by node_id'
  return (await system.query(sql, [cid])).rows
}

async function actions(orgId: OrgId): Promise<string[]> {
  const entries = await store.operator.audit({ limit: 1_000, orgId })
  return entries
    .map(({ action }) => action)
    .filter((action) => !action.startsWith('pin.'))
    .toReversed()
}

/** The tables with rows of an org. Placements are left out: the org of a placement only says whose turn it takes. */
async function tablesWith(orgId: OrgId): Promise<string[]> {
  const { rows } = await system.query<{ name: string; key: string }>(
    `select c.relname as name, a.attname as key from pg_class c join pg_attribute a on a.attrelid = c.oid
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'placements'
       and (a.attname = 'org_id' or c.relname = 'orgs' and a.attname = 'id') order by 1`,
  )
  assert.ok(rows.length >= 8, 'the tables were found')
  const found: string[] = []
  for (const { name, key } of rows)
    if ((await system.query(`select from ${name} where ${key} = $1 limit 1`, [uuidOf(orgId)])).rowCount)
      found.push(name)
  return found
}

async function token(orgId: OrgId): Promise<TokenId> {
  const id = mintId('tok')
  const expiresAt = new Date(Date.now() + 3_600_000)
  await store.tokens.insertToken({
    id,
    orgId,
    keyId,
    name: null,
    scopes: ['pins:read'],
    expiresAt,
    createdBy: null,
  })
  return id
}

/** Logs in a member of this org; returns the hash of the cookie. */
async function login(slug: string): Promise<Uint8Array> {
  const hash = randomBytes(32)
  const roles = [
    { slug, role: 'owner' as const },
    { slug: `${slug}-bad`, role: 'owner' as const },
  ]
  await store.sessions.login(
    { issuer: 'https://idp', subject: slug, name: null, email: null, operator: false, roles },
    {
      id: mintId('ses'),
      hash,
      providerSid: null,
      idToken: 'id-token',
      userAgent: null,
      address: null,
      network: null,
      maxAgeMs: 3_600_000,
    },
    null,
  )
  return hash
}

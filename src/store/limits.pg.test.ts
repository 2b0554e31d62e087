import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import pg from 'pg'
import { assertAgreement } from '../../testing/database/agreement.ts'
import { Random } from '../../testing/random.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { settlePlacements, sweepOnce } from '../../testing/database/settle-placements.ts'
import { testStore } from '../../testing/database/test-store.ts'
import type { Epoch } from '../core/epoch.ts'
import { isCode } from '../core/errors.ts'
import { mintId, type OrgId, type PinId } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { OrgLimits } from '../core/org.ts'
import type { NewPin, Pin, Accepted } from '../core/pin.ts'
import type { Outcome } from '../core/placement.ts'
import { openStore } from './store.ts'
import { silentLog } from '../core/silent-log.ts'

const actor = mintId('tok')
const { database, store } = await testStore({ replicas: 2 })
let node: NodeIdentity
let epoch: Epoch
let free: OrgId

before(async () => {
  node = await store.nodes.boot('node-1')
  epoch = await nextEpoch(store)
  free = await org('free', {})
})

test('an org has no more pins than its limit: the pins of a batch that fit are accepted, and a refusal gives the numbers', async () => {
  const own = await org('pins', { maxPins: 3 })
  const batch = [1, 2, 3, 4, 5].map((n) => newPin(`pins-${n}`))
  const outcomes = await store.pins.acceptPins(own, batch, false)
  assert.deepEqual(outcomes.map(textOf), [
    'queued',
    'queued',
    'queued',
    'over_quota: this org may have 3 pins and has 3',
    'over_quota: this org may have 3 pins and has 3',
  ])
  assert.deepEqual(await placementsOf('pins-4'), [])
  const again = await store.pins.acceptPins(own, batch, true)
  assert.deepEqual(again.map(textOf), outcomes.map(textOf))
  const [first] = batch
  assert.ok(first)
  await store.pins.replacePin(own, first.id, newPin('pins-6'), false)
  await store.orgDirectory.setOrg(own, { maxPins: 1 }, 'test')
  const replaced = await store.pins.replacePin(own, batch[1]?.id ?? first.id, newPin('pins-7'), false)
  assert.equal((await store.pins.listPins(own, { limit: 10 })).count, 3)
  assert.deepEqual((await accept(own, newPin('pins-8'))).map(textOf), [
    'over_quota: this org may have 1 pins and has 3',
  ])
  await store.orgDirectory.setOrg(own, { maxPins: 3 }, 'test')
  await store.pins.removePin(own, replaced.pin.id, actor)
  assert.deepEqual((await accept(own, newPin('pins-8'))).map(textOf), ['queued'])
  await store.orgDirectory.setOrg(own, { maxPins: null }, 'test')
  assert.deepEqual((await accept(own, newPin('pins-9'))).map(textOf), ['queued'])
  assert.equal((await store.orgs.usage(own)).pins.queued, 4)
})

test('the times of an org run ahead of the clock by at most ten minutes', async () => {
  const own = await org('ahead', {})
  const ahead = (by: string) =>
    asSystem(`update orgs set last_created = clock_timestamp() + interval '${by}' where slug = 'ahead'`)
  await ahead('9 minutes 50 seconds')
  assert.deepEqual((await accept(own, newPin('ahead-1'))).map(textOf), ['queued'])
  await ahead('10 minutes 10 seconds')
  await assert.rejects(
    accept(own, newPin('ahead-2')),
    (error) =>
      isCode(error, 'too_many') && error.retryAfterSeconds === 60 && /one a millisecond/.test(error.message),
  )
  // further than an org comes by its own accepts: the clock of the database was ahead
  await ahead('1 hour')
  await assert.rejects(accept(own, newPin('ahead-4')), (error) => {
    assert.ok(isCode(error, 'too_many'))
    assert.match(error.message, /clock of the database was ahead.* is dated 60 minutes .* in 50 minutes/)
    return (error.retryAfterSeconds ?? 0) > 2_990 && (error.retryAfterSeconds ?? 0) <= 3_001
  })
  await ahead('0 seconds')
  assert.deepEqual((await accept(own, newPin('ahead-3'))).map(textOf), ['queued'])
})

test('a pin that asks for more replicas than its org may have is refused, and a pin without a number gets at most that many', async () => {
  const own = await org('replicas', { maxReplicas: 1 })
  const [refused, usual] = await store.pins.acceptPins(
    own,
    [newPin('replicas-2', 2), newPin('replicas-usual', null)],
    false,
  )
  assert.ok(refused && usual && 'pin' in usual)
  assert.equal(textOf(refused), 'over_quota: this org may ask for 1 replicas of a pin, not for 2')
  assert.equal(usual.pin.info.replicas, '1')
  await assert.rejects(store.pins.replacePin(own, usual.pin.id, newPin('replicas-2', 2), false), (error) =>
    isCode(error, 'over_quota'),
  )
  assert.equal((await store.pins.getPin(own, usual.pin.id)).cid, 'replicas-usual')
})

test('content known to be too big is refused, and so is any new pin of an org at its byte limit; smaller content and replaces that add nothing pass', async () => {
  const own = await org('bytes', { maxBytes: 100 })
  await standing('bytes-90', 90)
  await standing('bytes-11', 11)
  await standing('bytes-10', 10)
  const [ninety] = await accept(own, newPin('bytes-90'))
  assert.ok(ninety && 'pin' in ninety)
  assert.equal((await store.orgs.usage(own)).bytes, 90)
  const outcomes = await store.pins.acceptPins(
    own,
    ['11', '10', 'x'].map((n) => newPin(`bytes-${n}`)),
    false,
  )
  assert.deepEqual(outcomes.map(textOf), [
    'over_quota: this org may have 100 bytes and has 90: there is no room for this content',
    'pinned',
    'over_quota: this org may have 100 bytes and has 100: there is no room for this content',
  ])
  assert.deepEqual(await store.orgs.usage(own), {
    pins: { queued: 0, pinning: 0, pinned: 2, failed: 0 },
    bytes: 100,
  })
  await assert.rejects(
    store.pins.replacePin(own, pinIn(outcomes[1]).id, newPin('bytes-11'), false),
    (error) => isCode(error, 'over_quota'),
  )
  const same = await store.pins.replacePin(own, ninety.pin.id, newPin('bytes-90'), false)
  await store.pins.replacePin(own, same.pin.id, newPin('bytes-11'), false)
  assert.equal((await store.orgs.usage(own)).bytes, 21)
  await store.pins.removePin(own, pinIn(outcomes[1]).id, actor)
  assert.equal((await store.orgs.usage(own)).bytes, 11)
})

test('a pin whose content turns out to be too big fails for its org alone, counts no bytes, and leaves other orgs their pins', async () => {
  const own = await org('too-big', { maxBytes: 50 })
  const before = (await store.orgs.usage(free)).bytes
  const [mine] = await accept(own, newPin('too-big', 2))
  const [theirs] = await accept(free, newPin('too-big', 1))
  await finish('too-big', { kind: 'pinned', blocks: 1, bytes: 60, foreignPin: false })
  const refused = await store.pins.getPin(own, pinIn(mine).id)
  assert.equal(refused.status, 'failed')
  assert.deepEqual(refused.info, {
    status_details: 'refused: with this content the org would exceed its limit on bytes',
    replicas: '2',
    error_code: 'too_big',
    dag_size: '60',
  })
  assert.equal((await store.pins.getPin(free, pinIn(theirs).id)).status, 'pinned')
  assert.deepEqual(await store.orgs.usage(own), {
    pins: { queued: 0, pinning: 0, pinned: 0, failed: 1 },
    bytes: 0,
  })
  assert.equal((await store.orgs.usage(free)).bytes, before + 60)
  assert.deepEqual(await wanted('too-big'), [1])
  const [one, two] = await store.pins.acceptPins(own, [newPin('fits-30'), newPin('fits-40')], false)
  await finish('fits-30', { kind: 'pinned', blocks: 1, bytes: 30, foreignPin: false })
  await finish('fits-40', { kind: 'pinned', blocks: 1, bytes: 40, foreignPin: false })
  assert.equal((await store.pins.getPin(own, pinIn(one).id)).status, 'pinned')
  assert.equal((await store.pins.getPin(own, pinIn(two).id)).status, 'failed')
  assert.equal((await store.orgs.usage(own)).bytes, 30)
})

test('content that only refused pins want is unpinned, can be pinned again, and is forgotten with the last of these pins', async () => {
  const own = await org('only', { maxBytes: 50 })
  const [mine] = await accept(own, newPin('only'))
  await finish('only', { kind: 'pinned', blocks: 1, bytes: 60, foreignPin: false })
  await unpinned('only')
  assert.equal((await store.pins.getPin(own, pinIn(mine).id)).info.error_code, 'too_big')
  const [again] = await accept(free, newPin('only'))
  assert.equal(pinIn(again).status, 'queued')
  await finish('only', { kind: 'pinned', blocks: 1, bytes: 60, foreignPin: false })
  assert.equal((await store.pins.getPin(free, pinIn(again).id)).status, 'pinned')
  assert.equal((await store.pins.getPin(own, pinIn(mine).id)).status, 'failed')
  await store.pins.removePin(free, pinIn(again).id, actor)
  await unpinned('only')
  assert.deepEqual(await wanted('only'), [1])
  await store.pins.removePin(own, pinIn(mine).id, actor)
  assert.deepEqual(await wanted('only'), [])
})

test('work stops once more of a content has arrived than the only org that wants it may have', async () => {
  const own = await org('outgrown', { maxBytes: 50 })
  const [mine] = await accept(own, newPin('outgrown'))
  const [claim] = await claimOf('outgrown')
  assert.ok(claim)
  const at = (bytes: number) => store.placements.extend(node, [{ ...claim, blocks: 1, bytes }], 30_000)
  assert.deepEqual(await at(50), [])
  assert.equal((await store.pins.getPin(own, pinIn(mine).id)).status, 'pinning')
  await at(51)
  assert.equal((await store.pins.getPin(own, pinIn(mine).id)).info.error_code, 'too_big')
  assert.deepEqual(await at(52), ['outgrown'])
  await store.placements.finish(node, [{ ...claim, outcome: { kind: 'released' } }])
  await unpinned('outgrown')
  assert.equal((await store.orgs.usage(own)).pins.failed, 1)
})

test('bytes count as they arrive, once for each copy, and the reservation ends when the pin is deleted, fails or is pinned', async () => {
  const own = await org('arriving', { maxBytes: 100 })
  const has = async () => (await store.orgs.usage(own)).bytes
  const [one, two, three] = await store.pins.acceptPins(
    own,
    [newPin('arriving-1'), newPin('arriving-2', 2), newPin('arriving-3')],
    false,
  )
  const [first, second, third] = [
    await arrive('arriving-1'),
    await arrive('arriving-2'),
    await arrive('arriving-3'),
  ]
  await first.at(40)
  await second.at(25)
  assert.equal(await has(), 90)
  await first.at(30)
  assert.equal(await has(), 90, 'bytes that arrived stay counted, also when Kubo walks them again')
  await third.at(11)
  assert.equal((await store.pins.getPin(own, pinIn(three).id)).info.error_code, 'too_big')
  assert.equal(await has(), 90)
  await first.at(51)
  assert.equal((await store.pins.getPin(own, pinIn(one).id)).info.error_code, 'too_big')
  assert.equal(await has(), 50, 'and so is what had come of it')
  const replaced = await store.pins.replacePin(own, pinIn(two).id, newPin('arriving-4'), false)
  assert.equal(await has(), 0, 'replaced content')
  const fourth = await arrive('arriving-4')
  await fourth.at(100)
  assert.match(
    textOf((await accept(own, newPin('arriving-5')))[0] ?? assert.fail()),
    /may have 100 bytes and has 100/,
  )
  await fourth.end({
    kind: 'retry',
    errorCode: 'stalled',
    error: 'stalled',
    delayMs: 0,
    blocks: 1,
    bytes: 100,
  })
  assert.equal(await has(), 100, 'half fetched is there')
  await finish('arriving-4', { kind: 'failed', errorCode: 'stalled', error: 'stalled' })
  assert.equal(await has(), 0, 'what failed')
  await store.pins.removePin(own, replaced.pin.id, actor)
  const [five] = await accept(own, newPin('arriving-5'))
  const fifth = await arrive('arriving-5')
  await fifth.at(60)
  await store.pins.removePin(own, pinIn(five).id, actor)
  assert.equal(await has(), 0, 'released content')
  await accept(own, newPin('arriving-6', 2))
  const sixth = await arrive('arriving-6')
  await sixth.at(45)
  await sixth.end({ kind: 'pinned', blocks: 1, bytes: 50, foreignPin: false })
  assert.equal(await has(), 100, 'pinned content counts once for each copy')
  for (const [cid, { end }] of Object.entries({ 1: first, 2: second, 3: third, 5: fifth })) {
    await end({ kind: 'released' })
    await unpinned(`arriving-${cid}`)
  }
})

test('content of known size counts once for each copy that its pin asks for', async () => {
  const own = await org('copies', { maxBytes: 100 })
  await standing('copied-40', 40)
  const outcomes = await store.pins.acceptPins(
    own,
    [newPin('copied-40', 3), newPin('copied-40', 2), newPin('copied-40', 1)],
    false,
  )
  assert.deepEqual(outcomes.map(textOf), [
    'over_quota: this org may have 100 bytes and has 0: there is no room for this content',
    'pinned',
    'over_quota: this org may have 100 bytes and has 80: there is no room for this content',
  ])
  assert.equal((await store.orgs.usage(own)).bytes, 80)
  await assert.rejects(
    store.pins.replacePin(own, pinIn(outcomes[1]).id, newPin('copied-40', 3), false),
    (error) => isCode(error, 'over_quota'),
  )
  await store.pins.replacePin(own, pinIn(outcomes[1]).id, newPin('copied-40', 1), false)
  assert.equal((await store.orgs.usage(own)).bytes, 40)
})

test('an org whose bytes are limited has no grace: content that it no longer pins is unpinned by the next sweep', async () => {
  await using graceful = openStore({ ...database, log: silentLog, unpinGraceMs: 3_600_000 })
  const own = await org('no-grace', { maxBytes: 100 })
  for (const [who, act, left] of [
    [own, 'delete', 'unpinning'],
    [own, 'replace', 'unpinning'],
    [free, 'delete', 'pinned'],
  ] as const) {
    const cid = `grace-${left}-${act}`
    const [old] = await accept(who, newPin(cid))
    await finish(cid, { kind: 'pinned', blocks: 1, bytes: 90, foreignPin: false })
    if (act === 'delete') await graceful.pins.removePin(who, pinIn(old).id, actor)
    else await graceful.pins.replacePin(who, pinIn(old).id, newPin(`${cid}-new`), false)
    await store.sweep.releaseDue(epoch, 100)
    assert.deepEqual(await placementsOf(cid), [left], cid)
    if (who === free) await store.pins.removePin(free, pinIn((await accept(free, newPin(cid)))[0]).id, actor)
    await unpinned(cid)
  }
})

test('where bytes are limited, a replace gives up the old content at once; elsewhere it keeps it until the new pin is pinned', async () => {
  const own = await org('holds', { maxBytes: 100 })
  for (const [who, left] of [
    [own, []],
    [free, ['pinned']],
  ] as const) {
    const cid = `held-${left.length}`
    const [old] = await accept(who, newPin(cid))
    await finish(cid, { kind: 'pinned', blocks: 1, bytes: 90, foreignPin: false })
    const before = (await store.orgs.usage(who)).bytes
    const same = await store.pins.replacePin(who, pinIn(old).id, newPin(cid), false)
    await store.pins.replacePin(who, same.pin.id, newPin(`${cid}-never`), false)
    assert.equal((await store.orgs.usage(who)).bytes, before - 90)
    await store.sweep.releaseDue(epoch, 100)
    if (who === own) await unpinned(cid)
    assert.deepEqual(await placementsOf(cid), left)
  }
})

test('very many pins of one org on one content are counted in steps, and as many are pinned as the org may have', async () => {
  const own = await org('many', { maxBytes: 11_000 })
  const batch = (n: number) => Array.from({ length: n }, () => newPin('many'))
  for (let i = 0; i < 15; i++) await store.pins.acceptPins(own, batch(100), false)
  await finish('many', { kind: 'pinned', blocks: 1, bytes: 10, foreignPin: false })
  assert.equal((await store.orgs.usage(own)).bytes, 10_000)
  while ((await store.sweep.finishFolds(epoch, 1_000)).rows > 0);
  assert.deepEqual(await store.orgs.usage(own), {
    pins: { queued: 0, pinning: 0, pinned: 1_100, failed: 400 },
    bytes: 11_000,
  })
  assert.deepEqual(await placementsOf('many'), ['pinned'])
})

test('in every race, usage equals a recount, and no org has more than its limit', async () => {
  const dice = new Random(11)
  const random = () => dice.next()
  const pick = <T>(list: readonly T[]): T => {
    const one = list[Math.floor(random() * list.length)]
    if (one === undefined) throw new Error('nothing to pick from')
    return one
  }
  const limited = [
    await org('race-pins', { maxPins: 9 }),
    await org('race-bytes', { maxBytes: 300 }),
    await org('race-both', { maxPins: 12, maxBytes: 150, maxReplicas: 1 }),
  ]
  const orgs = [...limited, await org('race-free', {})]
  // the name of a content gives its size, which the store does not know before the content has arrived
  const cids = Array.from({ length: 24 }, (_, i) => `race-${i}-${(i * 37) % 120}`)
  const sizeOf = (cid: string): number => Number(/^race-.*-(\d+)$/.exec(cid)?.[1] ?? 1)
  const own = new Map(orgs.map((id) => [id, new Set<PinId>()]))
  let refusals = 0
  let busy = true

  const user = async (id: OrgId): Promise<void> => {
    const pins = own.get(id) ?? new Set()
    for (let i = 0; i < 40; i++) {
      const act = random()
      const old = [...pins][Math.floor(random() * pins.size)]
      if (act < 0.5 || old === undefined) {
        const batch = Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
          newPin(pick(cids), pick([1, 1, 2])),
        )
        for (const outcome of await store.pins.acceptPins(id, batch, false)) {
          if ('pin' in outcome) pins.add(outcome.pin.id)
          else refusals += Number(isCode(outcome.error, 'over_quota'))
        }
        continue
      }
      pins.delete(old)
      try {
        if (act < 0.7)
          pins.add((await store.pins.replacePin(id, old, newPin(pick(cids), pick([1, 1, 2])), false)).pin.id)
        else await store.pins.removePin(id, old, actor)
      } catch (error) {
        if (!isCode(error, 'not_found', 'over_quota')) throw error
        if (isCode(error, 'over_quota')) pins.add(old)
      }
    }
  }
  const worker = async (): Promise<void> => {
    while (busy) {
      const claims = await store.placements.claim(node, await store.placements.due(node, 8, 8), 30_000)
      const ticks = 1 + Math.floor(random() * 4)
      for (let tick = 1; tick <= ticks; tick++) {
        const [now] = await asSystem<{ at: Date }>('select clock_timestamp() as at')
        const come = (cid: string) => Math.floor((sizeOf(cid) * tick) / ticks)
        const under = claims.map((claim) => ({ ...claim, blocks: 1, bytes: come(claim.cid) }))
        await store.placements.extend(node, under, 30_000)
        const cids = claims.map(({ cid }) => cid)
        assert.deepEqual(await unreserved(cids, now?.at), [], 'bytes that arrived and that are not counted')
      }
      await store.placements.finish(
        node,
        claims.map(({ cid, generation, work }) => ({
          cid,
          generation,
          outcome: work === 'unpin' ? { kind: 'unpinned' } : pick(outcomesOf(sizeOf(cid))),
        })),
      )
    }
  }
  const sweeper = async (): Promise<void> => {
    while (busy) await sweepOnce(store, epoch)
  }
  const watcher = async (): Promise<void> => {
    while (busy)
      for (const id of limited) {
        const [{ limits }, { pins, bytes }] = [await store.orgs.org(id), await store.orgs.usage(id)]
        const count = Object.values(pins).reduce((a, b) => a + b)
        assert.ok(count <= (limits.maxPins ?? Infinity), `${count} pins`)
        assert.ok(bytes <= (limits.maxBytes ?? Infinity), `${bytes} bytes`)
      }
  }
  const others = Promise.all([worker(), worker(), sweeper(), watcher()])
  await Promise.all([...orgs, ...orgs].map(user)).finally(() => (busy = false))
  await others
  await settlePlacements(store, node, epoch, sizeOf)
  assert.ok(refusals > 20, `${refusals} were refused`)
  for (const [id, pins] of own) {
    assert.equal((await store.pins.listPins(id, { limit: 1 })).count, pins.size)
    assert.equal(
      Object.values((await store.orgs.usage(id)).pins).reduce((a, b) => a + b),
      pins.size,
    )
  }
  await assertAgreement(database.systemUrl)
})

function outcomesOf(bytes: number): Outcome[] {
  return [
    { kind: 'pinned', blocks: 1, bytes, foreignPin: false },
    { kind: 'pinned', blocks: 1, bytes, foreignPin: false },
    { kind: 'retry', errorCode: 'stalled', error: 'stalled', delayMs: 1 },
    { kind: 'failed', errorCode: 'kubo_error', error: 'no' },
    { kind: 'released' },
  ]
}

function org(slug: string, limits: Partial<OrgLimits>): Promise<OrgId> {
  return store.orgDirectory.createOrg(slug, { limits }, 'test').then(({ id }) => id)
}

function newPin(cid: string, replicas: number | null = 1): NewPin {
  return { id: mintId('pin'), cid, cidText: cid, replicas, actor, nodes: [node.nodeId] }
}

function accept(orgId: OrgId, pin: NewPin): Promise<Accepted[]> {
  return store.pins.acceptPins(orgId, [pin], false)
}

function pinIn(outcome: Accepted | undefined): Pin {
  assert.ok(outcome && 'pin' in outcome)
  return outcome.pin
}

function textOf(outcome: Accepted): string {
  if ('pin' in outcome) return outcome.pin.status
  assert.ok(isCode(outcome.error, 'over_quota'))
  return `${outcome.error.code}: ${outcome.error.message}`
}

/** Content that another org has pinned. */
async function standing(cid: string, bytes: number): Promise<void> {
  await accept(free, newPin(cid))
  await finish(cid, { kind: 'pinned', blocks: 1, bytes, foreignPin: false })
}

/** A content that begins to arrive: `at` reports progress, `end` ends the attempt. */
async function arrive(cid: string) {
  const [claim] = await claimOf(cid)
  assert.ok(claim)
  return {
    at: (bytes: number) => store.placements.extend(node, [{ ...claim, blocks: 1, bytes }], 30_000),
    end: (outcome: Outcome) => store.placements.finish(node, [{ ...claim, outcome }]),
  }
}

/** The pins, accepted before `olderThan`, of orgs with a byte limit for which less is reserved than has arrived, counted for each copy. */
async function unreserved(cids: string[], olderThan: Date | undefined): Promise<unknown[]> {
  return asSystem(
    `select p.cid, p.org_id, p.replicas, q.bytes, r.bytes as reserved from pins p
     join orgs o on o.id = p.org_id and o.max_bytes is not null
     join contents c on c.cid = p.cid and c.dag_size is null
     join placements q on q.cid = p.cid and q.state in ('queued', 'pinning')
     left join reserved_bytes r on r.cid = p.cid and r.org_id = p.org_id
     where p.cid = any ($1) and p.error_code is null and p.accepted_at < $2 and q.bytes * p.replicas > coalesce(r.bytes, 0)`,
    [cids, olderThan],
  )
}

async function claimOf(cid: string) {
  const due = (await store.placements.due(node, 1_000, 1_000)).filter((job) => job.cid === cid)
  return store.placements.claim(node, due, 30_000)
}

async function finish(cid: string, outcome: Outcome): Promise<void> {
  const claims = await claimOf(cid)
  assert.equal(claims.length, 1)
  await store.placements.finish(
    node,
    claims.map((claim) => ({ ...claim, outcome })),
  )
}

/** No pin wants the content: it is unpinned at once. */
async function unpinned(cid: string): Promise<void> {
  await store.sweep.releaseDue(epoch, 100)
  await finish(cid, { kind: 'unpinned' })
  assert.deepEqual(await placementsOf(cid), [])
}

async function placementsOf(cid: string): Promise<string[]> {
  return (await store.reconcile.placementsOf(node, [cid])).map((placement) => placement.state)
}

/** How many copies the content is to have; empty when it is forgotten. */
async function wanted(cid: string): Promise<number[]> {
  const rows = await asSystem<{ wanted: number }>('select wanted from contents where cid = $1', [cid])
  return rows.map((row) => Number(row.wanted))
}

async function asSystem<R>(sql: string, params?: unknown[], url = database.systemUrl): Promise<R[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql, params)).rows as R[]
  } finally {
    await client.end()
  }
}

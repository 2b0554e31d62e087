import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { mintId } from '../core/ids.ts'
import type { OrgId } from '../core/ids.ts'
import type { Job } from '../core/placement.ts'
import { Slots, slotLimits } from './slots.ts'
import type { SlotLimits } from './slots.ts'

const nodeId = mintId('nod')
const orgs: OrgId[] = Array.from({ length: 5 }, () => mintId('org'))
const orgAt = (index: number): OrgId => orgs[index] ?? assert.fail('no such org')

let generation = 0
function job(cid: string, org: OrgId | null, attempt = 1): Job {
  return { cid, nodeId, orgId: org, generation: ++generation, attempt }
}

function filled(limits: Partial<SlotLimits>, jobs: Job[]): Slots {
  const slots = new Slots({ ...slotLimits(8), ...limits })
  for (const one of jobs) assert.equal(slots.offer(one), 'queued')
  return slots
}

const many = (n: number, org: OrgId | null, name: string, attempt = 1) =>
  Array.from({ length: n }, (_, index) => job(`${name}${index}`, org, attempt))

const cidsOf = (jobs: Job[]) => jobs.map((one) => one.cid)

/** Takes and ends jobs until none waits. Returns the CIDs in the order in which they were taken. */
function drained(slots: Slots): string[] {
  const order: string[] = []
  for (;;) {
    const taken = slots.take()
    if (taken.length === 0) return order
    for (const one of taken) {
      order.push(one.cid)
      slots.end(one.cid)
    }
  }
}

test('orgs take turns: one with hundreds of jobs does not hold up one with a single job', () => {
  const slots = filled({}, [...many(200, orgAt(0), 'big'), ...many(1, orgAt(1), 'small')])
  assert.ok(cidsOf(slots.take()).slice(0, 2).includes('small0'))
})

test('one org alone leaves an eighth of the slots free for the next org', () => {
  const slots = filled({}, many(50, orgAt(0), 'a'))
  assert.equal(slots.take().length, 7)
  slots.offer(job('b', orgAt(1)))
  assert.deepEqual(cidsOf(slots.take()), ['b'])
})

test('while fresh jobs wait, retries hold at most half of the slots, and still get some', () => {
  const slots = filled({}, [...many(100, orgAt(0), 'old', 3), ...many(100, orgAt(1), 'new')])
  const held = cidsOf(slots.take())
  assert.equal(held.length, 8)
  const retries = held.filter((cid) => cid.startsWith('old')).length
  assert.ok(retries >= 1 && retries <= 4, `${retries} retries`)
})

test('retries may use all slots that their org may have when nothing fresh waits', () => {
  assert.equal(filled({}, many(100, orgAt(0), 'old', 2)).take().length, 7)
})

test('unpins take an eighth of the slots while pins wait, and more when none do', () => {
  const slots = filled({}, [...many(20, null, 'u'), ...many(20, orgAt(0), 'a'), ...many(20, orgAt(1), 'b')])
  assert.equal(cidsOf(slots.take()).filter((cid) => cid.startsWith('u')).length, 1)
  assert.equal(drained(filled({}, many(20, null, 'u'))).length, 20)
})

test('an attempt without a block gives up its slot, and a block brings it back', () => {
  const slots = filled({}, [job('a', orgAt(0))])
  slots.take()
  slots.heard('a', 0)
  assert.deepEqual(slots.tick(1_999), [])
  assert.equal(slots.counts().searching, 0)
  slots.tick(2_000)
  assert.deepEqual(slots.counts(), { queued: 0, active: 0, searching: 1, long: 0 })
  slots.heard('a', 2_500)
  assert.deepEqual(slots.counts(), { queued: 0, active: 1, searching: 0, long: 0 })
})

test('an attempt that still waits for its claim does not count as silent', () => {
  const slots = filled({}, [job('a', orgAt(0))])
  slots.take()
  slots.tick(1_000_000)
  assert.equal(slots.counts().active, 1)
})

test('while other jobs wait, a silent attempt gives up its slot sooner', () => {
  const slots = filled({ concurrency: 1 }, [job('a', orgAt(0)), job('b', orgAt(1))])
  assert.deepEqual(cidsOf(slots.take()), ['a'])
  slots.heard('a', 0)
  slots.tick(500)
  assert.deepEqual(cidsOf(slots.take()), ['b'])
})

test('when too many attempts search, those that have searched longest stop, and no more than needed', () => {
  const slots = filled({ concurrency: 2, searching: 2 }, many(6, orgAt(0), 'a'))
  for (const nowMs of [0, 1_000]) {
    for (const one of slots.take()) slots.heard(one.cid, nowMs)
    assert.deepEqual(slots.tick(nowMs + 600), [])
  }
  assert.deepEqual(slots.counts(), { queued: 2, active: 2, searching: 2, long: 0 })
  assert.deepEqual(slots.tick(4_999), [])
  assert.deepEqual(slots.tick(5_000), ['a0', 'a1'])
  assert.deepEqual(slots.tick(6_000), [], 'each was reported once')
  slots.end('a0')
  slots.end('a1')
  assert.deepEqual(slots.tick(6_100), [])
  assert.deepEqual(cidsOf(slots.take()), ['a4', 'a5'])
})

test('large content moves out of the slots, up to a limit', () => {
  const slots = filled({ long: 4 }, [...many(20, orgAt(0), 'large'), ...many(1, orgAt(1), 'small')])
  for (const one of slots.take()) slots.heard(one.cid, 0)
  for (let nowMs = 0; nowMs <= 10_000; nowMs += 250) {
    for (let index = 0; index < 20; index++) slots.heard(`large${index}`, nowMs)
    slots.heard('small0', nowMs)
    slots.tick(nowMs)
  }
  assert.deepEqual(slots.counts(), { queued: 13, active: 5, searching: 0, long: 3 })
})

test('an older or equal job for a queued CID is reported as known; a newer one replaces it', () => {
  const old = job('a', orgAt(0), 3)
  const slots = filled({}, [old])
  assert.equal(slots.offer(old), 'known')
  const newer = job('a', null)
  assert.equal(slots.offer(newer), 'queued')
  assert.equal(slots.offer(old), 'known')
  assert.deepEqual(slots.take(), [newer])
  assert.deepEqual(slots.take(), [])
})

test('fresh jobs never take the places of retries, nor retries those of fresh jobs', () => {
  const slots = filled({ queued: 3, queuedRetries: 2 }, many(3, orgAt(0), 'fresh'))
  assert.equal(slots.offer(job('fresh3', orgAt(1))), 'full')
  assert.equal(slots.roomForRetries, 2)
  for (const cid of ['again0', 'again1']) assert.equal(slots.offer(job(cid, orgAt(1), 2)), 'queued')
  assert.equal(slots.roomForRetries, 0)
  assert.equal(slots.offer(job('again2', orgAt(2), 2)), 'full')
  assert.equal(drained(slots).length, 5)
})

test('the queue is bounded, in all and for each org', () => {
  const slots = filled({ queued: 5, queuedPerOrg: 3 }, many(3, orgAt(0), 'a'))
  assert.equal(slots.offer(job('a3', orgAt(0))), 'full')
  assert.equal(slots.offer(job('b0', orgAt(1))), 'queued')
  assert.equal(slots.offer(job('b1', orgAt(1))), 'queued')
  assert.equal(slots.offer(job('c0', orgAt(2))), 'full')
  assert.deepEqual(drained(slots).length, 5)
  assert.equal(slots.offer(job('a3', orgAt(0))), 'queued')
})

test('300 CIDs that no peer has hold up 200 fresh ones of the same org for seconds, not minutes', () => {
  const slots = new Slots({ ...slotLimits(32), queuedPerOrg: 1_000 })
  for (const one of [...many(300, orgAt(0), 'unfindable'), ...many(200, orgAt(0), 'fresh')]) slots.offer(one)
  let nowMs = 0
  let fresh = 0
  while (fresh < 200) {
    for (const one of slots.take()) {
      slots.heard(one.cid, nowMs)
      if (one.cid.startsWith('unfindable')) continue
      fresh++
      slots.end(one.cid)
    }
    nowMs += 250
    for (const cid of slots.tick(nowMs)) slots.end(cid)
    assert.ok(nowMs < 12_000, `${fresh} of 200 after ${nowMs} ms`)
  }
})

const step = fc.oneof(
  fc.record({
    do: fc.constant('offer' as const),
    cid: fc.integer({ min: 0, max: 60 }),
    org: fc.integer({ min: -1, max: 4 }),
    attempt: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ do: fc.constant('heard' as const), cid: fc.integer({ min: 0, max: 60 }) }),
  fc.record({ do: fc.constant('end' as const), cid: fc.integer({ min: 0, max: 60 }) }),
  fc.record({ do: fc.constant('tick' as const), ms: fc.integer({ min: 0, max: 12_000 }) }),
  fc.record({ do: fc.constant('take' as const) }),
)

test('in any order of events bounds hold, nothing runs twice, nothing is lost, and every job ends', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const limits = {
        ...slotLimits(8),
        searching: 4,
        queued: 20,
        queuedRetries: 8,
        queuedPerOrg: 12,
        long: 3,
      }
      const slots = new Slots(limits)
      const queued = new Set<string>()
      const running = new Set<string>()
      let nowMs = 0
      const take = () => {
        const before = slots.counts().active
        for (const { cid } of slots.take()) {
          assert.ok(queued.delete(cid), `${cid} was not queued`)
          assert.ok(!running.has(cid), `${cid} runs already`)
          running.add(cid)
        }
        assert.ok(slots.counts().active <= Math.max(before, limits.concurrency))
      }
      for (const one of steps) {
        const cid = 'cid' in one ? `c${one.cid}` : ''
        // The worker never offers a CID that it has under way.
        if (one.do === 'offer' && !running.has(cid)) {
          const offered = slots.offer(job(cid, one.org < 0 ? null : orgAt(one.org), one.attempt))
          if (offered === 'queued') queued.add(cid)
          else queued.delete(cid)
        }
        if (one.do === 'heard') slots.heard(cid, nowMs)
        if (one.do === 'end' && running.delete(cid)) slots.end(cid)
        if (one.do === 'take') take()
        if (one.do === 'tick') {
          nowMs += one.ms
          for (const stopped of slots.tick(nowMs)) assert.ok(running.has(stopped))
        }
        const { active, searching, long, ...counts } = slots.counts()
        assert.equal(counts.queued, queued.size)
        assert.equal(active + searching + long, running.size)
        assert.ok(
          counts.queued <= limits.queued + limits.queuedRetries &&
            searching <= limits.searching &&
            long <= limits.long,
        )
      }
      for (let round = 0; round < 200 && queued.size > 0; round++) {
        for (const cid of running) slots.end(cid)
        running.clear()
        take()
      }
      for (const cid of running) slots.end(cid)
      assert.equal(queued.size, 0, 'all that was queued had its turn')
      assert.deepEqual(slots.counts(), { queued: 0, active: 0, searching: 0, long: 0 })
    }),
    { numRuns: 300 },
  )
})

test('among orgs with fresh jobs none gets two turns before each of the others has had one', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 2, maxLength: 5 }), (sizes) => {
      const slots = filled(
        {},
        sizes.flatMap((size, org) => many(size, orgAt(org), `o${org}-`)),
      )
      const left = [...sizes]
      const turns = sizes.map(() => 0)
      for (const cid of drained(slots)) {
        const org = Number(cid.slice(1, cid.indexOf('-')))
        turns[org] = (turns[org] ?? 0) + 1
        left[org] = (left[org] ?? 0) - 1
        const waiting = turns.filter((_, index) => (left[index] ?? 0) > 0)
        if (waiting.length > 1) assert.ok(Math.max(...waiting) - Math.min(...waiting) <= 1)
      }
    }),
  )
})

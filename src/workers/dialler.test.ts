import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { mintId, type OrgId } from '../core/ids.ts'
import { IpfsError } from '../core/ipfs-error.ts'
import type { Claim, OfferedOrigins } from '../core/placement.ts'
import type { Ipfs } from '../core/ports.ts'
import { fakeClock } from '../../testing/fakes/clock.ts'
import { Attempt } from './attempt.ts'
import { Dialler } from './dialler.ts'
import { OriginTurns } from './origin-turns.ts'

const stallTimeoutMs = 120_000
const [a, b, c] = [mintId('org'), mintId('org'), mintId('org')]

/** A dialler whose Kubo gets no answer from `silent…`, a refusal from `refused…`, and a connection to all others. */
function rig() {
  const clock = fakeClock()
  const startMs = clock.steadyMs()
  const dialled: { origin: string; atMs: number }[] = []
  const kubo = { down: false }
  const connect = async (origin: string, signal: AbortSignal): Promise<void> => {
    if (kubo.down) throw new IpfsError('kubo_down', 'Kubo is away')
    dialled.push({ origin, atMs: clock.steadyMs() - startMs })
    if (origin.startsWith('silent')) await clock.sleep(1e9, signal)
    if (origin.startsWith('refused')) throw new IpfsError('bad_origin', 'no answer')
  }
  const dialler = new Dialler({ ipfs: { connect } as Partial<Ipfs> as Ipfs, clock, stallTimeoutMs })
  return {
    clock,
    dialler,
    kubo,
    dialled,
    origins: () => dialled.map(({ origin }) => origin),
    /** Begins an attempt that dials these. */
    begin(...origins: OfferedOrigins[]): Attempt {
      const attempt = new Attempt(
        { cid: 'c', nodeId: mintId('nod'), orgId: a, generation: 1, attempt: 1 },
        clock.steadyMs(),
      )
      const claim: Claim = {
        cid: 'c',
        generation: 1,
        work: 'pin',
        attempt: 1,
        origins,
        holders: [],
        verify: false,
        ageMs: 0,
        foreignPin: false,
      }
      attempt.begin(claim, clock.steadyMs())
      dialler.dial(attempt, claim)
      return attempt
    },
  }
}

const of = (orgId: OrgId, ...origins: string[]): OfferedOrigins => ({ orgId, origins })
const many = (kind: string, count = 20): string[] => Array.from({ length: count }, (_, i) => `${kind}-${i}`)

test('a good origin of one org is dialled at once, beside 80 dead ones that another org offered before', async () => {
  const at = rig()
  const attempt = at.begin(of(a, ...many('silent', 80)), of(b, 'good'))
  await at.clock.pass(0)
  assert.ok(at.origins().includes('good'))
  await at.clock.pass(stallTimeoutMs)
  assert.equal(at.dialled.length, 21, 'of no org more than 20')
  attempt.end()
  assert.equal(at.clock.sleepers(), 0)
})

test('a good origin that is offered later is dialled in the next free lane', async () => {
  const at = rig()
  const attempt = at.begin(of(a, ...many('silent')))
  await at.clock.pass(1_000)
  at.dialler.origins(attempt, [of(a, ...many('newer'), ...many('silent')), of(b, 'good')])
  await at.clock.pass(10_000)
  assert.equal(at.dialled.find(({ origin }) => origin === 'good')?.atMs, 10_000)
  assert.equal(at.origins().indexOf('good'), 4, 'before what else the first org offers')
  attempt.end()
})

test("an org that names another org's good origin behind dead ones of its own does not hold it back", async () => {
  const at = rig()
  at.begin(of(a, ...many('silent', 19), 'good'), of(b, 'good')).end()
  assert.ok(at.origins().slice(0, 4).includes('good'))
})

test('no list of dead origins outlasts the stall limit, however many orgs offer and whatever is offered meanwhile', async () => {
  const at = rig()
  const orgs = Array.from({ length: 16 }, (_, i) => of(mintId('org'), ...many(`silent-${i}`)))
  const attempt = at.begin(...orgs)
  await at.clock.pass(60_000)
  assert.ok(at.dialled.length >= 160)
  at.dialler.origins(attempt, orgs)
  await at.clock.pass(60_000)
  assert.equal(at.dialled.length, 320)
  assert.ok(at.dialled.every(({ atMs }) => atMs < stallTimeoutMs))
  assert.equal(attempt.origins.lanes, 0)
  assert.equal(attempt.origins.unreachable, 320)
})

test('a dead origin is not dialled for two minutes, whichever pin names it, and after that only behind others', async () => {
  for (const kind of ['silent', 'refused']) {
    const at = rig()
    const first = at.begin(of(a, kind))
    await at.clock.pass(10_000)
    first.end()
    const second = at.begin(of(b, kind, 'good'))
    await at.clock.pass(1_000)
    assert.deepEqual(at.origins(), [kind, 'good'])
    assert.equal(second.origins.unreachable, 1)
    second.end()
    await at.clock.pass(120_000)
    at.begin(of(c, kind, 'good', 'other')).end()
    assert.deepEqual(at.origins(), [kind, 'good', 'good', 'other', kind])
  }
})

test('an origin whose dial was shorter than usual, among very many, is skipped for less time', async () => {
  const at = rig()
  const orgs = Array.from({ length: 16 }, (_, i) => of(mintId('org'), ...many(`silent-${i}`)))
  const crowded = at.begin(...orgs)
  await at.clock.pass(1_500)
  crowded.end()
  const before = at.dialled.length
  await at.clock.pass(12 * 1_500 - 1)
  at.begin(of(a, 'silent-0-0')).end()
  assert.equal(at.dialled.length, before)
  await at.clock.pass(1)
  at.begin(of(a, 'silent-0-0')).end()
  assert.equal(at.dialled.length, before + 1)
})

test('an origin does not count as dead when its attempt ends or Kubo is down', async () => {
  const at = rig()
  at.begin(of(a, 'silent')).end()
  await at.clock.pass(0)
  at.kubo.down = true
  at.begin(of(a, 'silent')).end()
  await at.clock.pass(0)
  at.kubo.down = false
  at.begin(of(a, 'silent')).end()
  assert.deepEqual(at.origins(), ['silent', 'silent'])
})

test('orgs take turns whatever they offer: no org gets a dial while another one with fewer dials waits', () => {
  const origin = fc.integer({ min: 0, max: 30 }).map(String)
  const offer = fc.record({
    orgId: fc.constantFrom(a, b, c),
    origins: fc.uniqueArray(origin, { maxLength: 25, size: 'max' }),
  })
  const offers = fc.uniqueArray(offer, { selector: ({ orgId }) => orgId })
  fc.assert(
    fc.property(fc.array(fc.tuple(offers, fc.nat(30)), { maxLength: 5, size: 'max' }), (rounds) => {
      const turns = new OriginTurns()
      const taken = new Set<string>()
      const dials = new Map<OrgId, number>()
      for (const [offered, steps] of rounds) {
        turns.offer(offered, () => false)
        for (let step = 0; step < steps; step++) {
          const next = turns.next()
          const mayGo = offered.filter(
            ({ orgId, origins }) => (dials.get(orgId) ?? 0) < 20 && origins.some((one) => !taken.has(one)),
          )
          if (next === undefined) {
            assert.deepEqual(mayGo, [])
            break
          }
          assert.ok(!taken.has(next), 'once')
          const least = Math.min(...mayGo.map(({ orgId }) => dials.get(orgId) ?? 0))
          const whose = mayGo.find(
            ({ orgId, origins }) => (dials.get(orgId) ?? 0) === least && origins.includes(next),
          )
          assert.ok(whose, 'of an org that had the fewest')
          taken.add(next)
          dials.set(whose.orgId, least + 1)
        }
      }
    }),
    { numRuns: 200 },
  )
})

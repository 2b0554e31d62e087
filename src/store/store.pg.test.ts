import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import fc from 'fast-check'
import pg from 'pg'
import { parseCid } from '../core/cid.ts'
import { until } from '../../testing/settle.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { testStore } from '../../testing/database/test-store.ts'
import type { Epoch } from '../core/epoch.ts'
import { isCode } from '../core/errors.ts'
import { mintId, uuidOf, type OrgId, type PinId } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import { nameMatches, pinStatuses, type NewPin, type Pin, type Accepted } from '../core/pin.ts'
import type { Outcome } from '../core/placement.ts'
import { pinQuery } from '../http/spec/pin-wire.ts'
import type { ListQuery } from '../http/spec/schema.ts'

const actor = mintId('tok')
const address = '/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWGRUyrQFFqBLUmbBnVTWRkQaDYXLVhQhZBvT7LGKDYXvA'
const { database, store } = await testStore({ knownNodes: { addresses: () => [address] } })
let node: NodeIdentity
let org: OrgId
let other: OrgId
let epoch: Epoch

before(async () => {
  await store.nodes.assertReady()
  node = await store.nodes.boot('node-1')
  org = (await store.orgDirectory.createOrg('ours', {}, 'operator')).id
  other = (await store.orgDirectory.createOrg('theirs', {}, 'operator')).id
  epoch = await nextEpoch(store)
})

test('a batch is accepted in order, with a created that is unique to the millisecond, and listed newest first', async () => {
  const pins = Array.from({ length: 20 }, (_, i) => newPin(`order-${i}`, { name: 'order' }))
  const accepted = (await store.pins.acceptPins(org, pins, false)).map(pinIn)
  const times = accepted.map((pin) => pin.created.getTime())
  assert.deepEqual(
    times,
    [...new Set(times)].sort((a, b) => a - b),
  )
  const page = await store.pins.listPins(org, { limit: 5, name: 'order' })
  assert.equal(page.count, 20)
  assert.deepEqual(
    page.results.map((pin) => pin.id),
    accepted
      .slice(-5)
      .reverse()
      .map((pin) => pin.id),
  )
  const older = await store.pins.listPins(org, {
    limit: 50,
    name: 'order',
    before: page.results[4]?.created.getTime() ?? 0,
  })
  assert.equal(older.count, 15)
  assert.equal(older.results.length, 15)
})

test('a batch that is accepted again gives the same pins and no others', async () => {
  const pins = [newPin('twice-a'), newPin('twice-b')]
  const first = (await store.pins.acceptPins(org, pins, false)).map(pinIn)
  const again = (await store.pins.acceptPins(org, pins, true)).map(pinIn)
  assert.deepEqual(again.map(created), first.map(created))
  assert.equal((await store.pins.listPins(org, { limit: 10, cids: pins.map((p) => p.cid) })).count, 2)
})

test('two pins of one content share one placement, and a new pin of pinned content is pinned at once', async () => {
  const [one] = await store.pins.acceptPins(org, [newPin('shared')], false)
  assert.ok(one && 'pin' in one)
  assert.equal(one.woken.length, 1)
  await work('shared', { kind: 'pinned', blocks: 3, bytes: 300, foreignPin: false })
  assert.equal((await store.pins.getPin(org, one.pin.id)).status, 'pinned')
  const [two] = await store.pins.acceptPins(other, [newPin('shared')], false)
  assert.ok(two && 'pin' in two)
  assert.equal(two.pin.status, 'pinned')
  assert.equal(two.woken.length, 0)
  assert.equal((await store.pins.getPin(other, two.pin.id)).info.dag_size, '300')
})

test('a CID in base32 with a capital letter or padding is refused: each content has one spelling', async () => {
  for (const cid of [`${rawCid(0)}=`, rawCid(0).replace(/[a-z]$/, (letter) => letter.toUpperCase())])
    await assert.rejects(
      store.pins.acceptPins(org, [newPin(cid)], false),
      (error) => /refused a statement/.test(String(error)),
      cid,
    )
})

test('names and meta come back as they were sent, U+0000 included, and searches find them', async () => {
  const name = 'nul \u0000 and \u0001 and \u0010 ß'
  const meta = { 'k\u0000': 'v\u0001', long: 'x'.repeat(5_000) }
  const [accepted] = await store.pins.acceptPins(org, [newPin('nul', { name, meta })], false)
  const id = pinIn(accepted).id
  const pin = await store.pins.getPin(org, id)
  assert.equal(pin.name, name)
  assert.deepEqual(pin.meta, meta)
  for (const query of [
    { name },
    { name: 'AND \u0001 AND', match: 'ipartial' as const },
    { name: name.replace('ß', 'SS'), match: 'iexact' as const },
    { meta },
    { meta: { long: meta.long } },
  ])
    assert.deepEqual(
      (await store.pins.listPins(org, { limit: 10, ...query })).results.map((p) => p.id),
      [id],
      JSON.stringify(query).slice(0, 60),
    )
  assert.equal((await store.pins.listPins(org, { limit: 10, name: 'and', match: 'exact' })).count, 0)
  await store.pins.removePin(org, id, actor)
  assert.equal((await store.pins.listPins(org, { limit: 10, meta })).count, 0)
})

test('as much meta as the API allows is deleted with its pin, within the time limit of a statement', async () => {
  const meta = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`key ${n}`, `value ${n}`]))
  const kept = await acceptOne('much-kept', { meta })
  const removed = await acceptOne('much-removed', { meta })
  const replaced = await acceptOne('much-replaced', { meta })
  const found = async (n: number) =>
    (await store.pins.listPins(org, { limit: 10, meta: { [`key ${n}`]: `value ${n}` } })).results.map(
      (pin) => pin.id,
    )
  assert.deepEqual(await found(0), [replaced, removed, kept])
  await store.pins.removePin(org, removed, actor)
  await store.pins.replacePin(org, replaced, newPin('much-new'), false)
  for (const n of [0, 500, 999]) assert.deepEqual(await found(n), [kept])
  await store.pins.removePin(org, kept, actor)
})

test('a filter of several meta pairs finds the pins that have them all, newest first, whatever other pairs they have', async () => {
  const { id: tagged } = await store.orgDirectory.createOrg('tagged', {}, 'operator')
  // pin n has the pair `bit b` for each bit b of n, so pairs differ in how rare they are
  const bits = (n: number) => [0, 1, 2, 3, 4, 5].filter((b) => (n >> b) % 2 === 1)
  const metaOf = (n: number) => Object.fromEntries(bits(n).map((b) => [`bit ${b}`, 'yes']))
  const numbers = Array.from({ length: 50 }, (_, n) => n)
  await store.pins.acceptPins(
    tagged,
    numbers.map((n) =>
      newPin(`tagged-${n}`, { name: n % 3 === 0 ? 'third' : 'other', meta: metaOf(n), nodes: [] }),
    ),
    false,
  )
  for (let wanted = 1; wanted < 64; wanted++) {
    const expected = numbers.filter((n) => (n & wanted) === wanted).reverse()
    const page = await store.pins.listPins(tagged, { limit: 1000, meta: metaOf(wanted) })
    assert.deepEqual(
      [page.count, page.results.map((pin) => pin.cid)],
      [expected.length, expected.map((n) => `tagged-${n}`)],
    )
    const thirds = await store.pins.listPins(tagged, { limit: 2, meta: metaOf(wanted), name: 'third' })
    assert.equal(thirds.count, expected.filter((n) => n % 3 === 0).length)
  }
  assert.equal(
    (await store.pins.listPins(tagged, { limit: 1, meta: { 'bit 0': 'yes', 'bit 1': 'no' } })).count,
    0,
  )
})

test('a page is also limited by bytes but has at least one pin; the pages make up the whole list, and the count covers all of it', async () => {
  const { id: large } = await store.orgDirectory.createOrg('large', {}, 'operator')
  const meta = (bytes: number) => ({ blob: '\u0007'.repeat(bytes) })
  // each byte takes six in JSON, so a page has room for 9 of these pins; one more pin is larger than any page
  const pins = Array.from({ length: 30 }, (_, n) =>
    newPin(`large-${n}`, { nodes: [], meta: meta(n === 20 ? 1 << 20 : 70_000) }),
  )
  await store.pins.acceptPins(large, pins, false)
  for (const filter of [{}, { meta: meta(70_000) }]) {
    const all = pins
      .filter((pin) => !('meta' in filter) || pin.cid !== 'large-20')
      .map((pin) => pin.id)
      .reverse()
    const seen: Pin[] = []
    for (let left = all.length; left > 0;) {
      const last = seen.at(-1)
      const before = last && { before: last.created.getTime() }
      const page = await store.pins.listPins(large, { limit: 1000, ...filter, ...before })
      assert.equal(page.count, left)
      assert.ok(page.results.length >= 1 && page.results.length <= 10)
      assert.deepEqual(page, await store.pins.listPins(large, { limit: 20, ...filter, ...before }))
      seen.push(...page.results)
      left -= page.results.length
    }
    assert.deepEqual(
      seen.map((pin) => pin.id),
      all,
    )
  }
})

test('an org cannot see, replace or remove the pins of another org', async () => {
  const id = await acceptOne('private', { name: 'private', meta: { private: 'yes' } })
  await assert.rejects(store.pins.getPin(other, id), (e) => isCode(e, 'not_found'))
  await assert.rejects(store.pins.removePin(other, id, actor), (e) => isCode(e, 'not_found'))
  await assert.rejects(store.pins.replacePin(other, id, newPin('theirs'), false), (e) =>
    isCode(e, 'not_found'),
  )
  for (const query of [{ name: 'private' }, { meta: { private: 'yes' } }, { cids: ['private'] }])
    assert.equal((await store.pins.listPins(other, { limit: 10, ...query })).count, 0)
  assert.equal((await store.pins.getPin(org, id)).name, 'private')
})

test('a replace removes the old pin in the same step, and repeating it gives the same pin', async () => {
  const old = await acceptOne('before')
  await work('before', { kind: 'pinned', blocks: 1, bytes: 1, foreignPin: false })
  const next = newPin('after')
  const { pin } = await store.pins.replacePin(org, old, next, false)
  assert.equal((await store.pins.replacePin(org, old, next, true)).pin.id, pin.id)
  await assert.rejects(store.pins.getPin(org, old), (e) => isCode(e, 'not_found'))
  // the old content is held until the new pin is pinned
  await sweepAll()
  assert.deepEqual(await states('before'), ['pinned'])
  await work('after', { kind: 'pinned', blocks: 1, bytes: 1, foreignPin: false })
  await sweepAll()
  assert.deepEqual(await states('before'), ['unpinning'])
  assert.deepEqual(await states('after'), ['pinned'])
})

test('the content is unpinned when the last of two orgs deletes its pin, unless a new pin comes in time', async () => {
  const mine = await acceptOne('common')
  const [theirs] = await store.pins.acceptPins(other, [newPin('common')], false)
  await work('common', { kind: 'pinned', blocks: 1, bytes: 1, foreignPin: false })
  await store.pins.removePin(org, mine, actor)
  await sweepAll()
  assert.deepEqual(await states('common'), ['pinned'])
  await store.pins.removePin(other, pinIn(theirs).id, actor)
  const again = await acceptOne('common')
  await sweepAll()
  assert.deepEqual(await states('common'), ['pinned'])
  await store.pins.removePin(org, again, actor)
  await sweepAll()
  assert.deepEqual(await states('common'), ['unpinning'])
  // wanted again in the middle of the unpin: a new generation, claimable only once the unpin has ended
  const [unpin] = await claimDue('common')
  assert.equal(unpin?.work, 'unpin')
  await acceptOne('common')
  assert.deepEqual(await claimDue('common'), [])
  const behind = await store.placements.finish(node, [
    { cid: 'common', generation: unpin?.generation ?? 0, outcome: { kind: 'unpinned' } },
  ])
  assert.equal(behind.length, 1)
  const [pin] = await claimDue('common')
  assert.equal(pin?.work, 'pin')
  assert.equal(pin?.verify, true)
  await store.placements.finish(node, [
    { cid: 'common', generation: pin.generation, outcome: { kind: 'released' } },
  ])
})

test('the outcome of an intent that changed meanwhile does not count, neither as pinned nor as unpinned', async () => {
  // Pinned, after no pin wanted it any more: it must not become pinned.
  const first = await acceptOne('late-pin')
  const [pin] = await claimDue('late-pin')
  assert.ok(pin)
  await store.pins.removePin(org, first, actor)
  const pinned = { kind: 'pinned', blocks: 1, bytes: 1, foreignPin: false } as const
  await store.placements.finish(node, [{ cid: 'late-pin', generation: pin.generation, outcome: pinned }])
  assert.deepEqual(await states('late-pin'), ['unpinning'])
  // Unpinned, after a pin wanted it again: it must not be forgotten.
  const second = await acceptOne('late-unpin')
  await work('late-unpin', pinned)
  await store.pins.removePin(org, second, actor)
  await sweepAll()
  const [unpin] = await claimDue('late-unpin')
  assert.equal(unpin?.work, 'unpin')
  await acceptOne('late-unpin')
  await store.placements.finish(node, [
    { cid: 'late-unpin', generation: unpin?.generation ?? 0, outcome: { kind: 'unpinned' } },
  ])
  assert.deepEqual(await states('late-unpin'), ['queued'])
})

test('a delete in the middle of pinning voids the attempt and leaves an unpin to be done', async () => {
  const id = await acceptOne('aborted')
  const [claim] = await claimDue('aborted')
  assert.ok(claim)
  await store.pins.removePin(org, id, actor)
  assert.deepEqual(await store.placements.extend(node, [{ ...claim, blocks: 1, bytes: 1 }], 30_000), [
    'aborted',
  ])
  await store.placements.finish(node, [
    {
      cid: 'aborted',
      generation: claim.generation,
      outcome: { kind: 'pinned', blocks: 1, bytes: 1, foreignPin: false },
    },
  ])
  assert.deepEqual(await states('aborted'), ['unpinning'])
  await work('aborted', { kind: 'unpinned' })
  assert.deepEqual(await states('aborted'), [])
})

test('a pin that was never tried leaves nothing behind when it is deleted', async () => {
  const id = await acceptOne('untouched')
  assert.deepEqual(await store.pins.removePin(org, id, actor), [])
  assert.deepEqual(await states('untouched'), [])
})

test('a failed attempt shows why and is due later, and a new pin makes it due at once', async () => {
  const id = await acceptOne('slow')
  await work('slow', { kind: 'retry', errorCode: 'stalled', error: 'no block for a while', delayMs: 60_000 })
  const pin = await store.pins.getPin(org, id)
  assert.equal(pin.status, 'queued')
  assert.equal(pin.info.error_code, 'stalled')
  assert.equal(pin.info.attempts, '1')
  assert.deepEqual(await claimDue('slow'), [])
  const second = await acceptOne('slow')
  assert.equal((await store.pins.getPin(org, second)).info.attempts, undefined)
  await work('slow', { kind: 'failed', errorCode: 'not_found_in_time', error: 'no node had it' })
  assert.equal((await store.pins.getPin(org, id)).status, 'failed')
  assert.equal((await store.pins.getPin(org, second)).info.attempts, '1')
  await acceptOne('slow')
  await sweepAll()
  assert.equal((await store.pins.getPin(org, id)).status, 'queued')
})

test('content that is asked for again while its attempt fails is tried again at once', async () => {
  for (const outcome of [
    { kind: 'retry', errorCode: 'stalled', error: 'stalled', delayMs: 60_000 },
    { kind: 'failed', errorCode: 'not_found_in_time', error: 'no node had it' },
  ] as const) {
    const cid = `woken-${outcome.kind}`
    await acceptOne(cid)
    const [claim] = await claimDue(cid)
    const id = await acceptOne(cid)
    await store.placements.finish(node, [{ cid, generation: claim?.generation ?? 0, outcome }])
    assert.equal((await store.pins.getPin(org, id)).status, 'queued')
    await work(cid, { kind: 'pinned', blocks: 1, bytes: 1, foreignPin: false })
  }
})

test('claims of an older incarnation are void, and five crashes in a row fail the placement', async () => {
  const id = await acceptOne('crashing')
  for (let crash = 1; crash <= 5; crash++) {
    assert.equal((await claimDue('crashing')).length, 1)
    const older = node
    node = await store.nodes.boot('node-1')
    assert.equal(await store.nodes.see(older, { usedBytes: null, capacityBytes: null }), false)
    assert.equal(await store.nodes.voidClaims(node, 100), 1)
  }
  const pin = await store.pins.getPin(org, id)
  assert.equal(pin.status, 'failed')
  assert.equal(pin.info.error_code, 'crashed')
})

test('work of an old epoch is refused', async () => {
  const old = epoch
  epoch = await nextEpoch(store)
  await assert.rejects(store.sweep.releaseDue(old, 10), (e) => isCode(e, 'not_leading'))
  await store.sweep.releaseDue(epoch, 10)
})

test('due placements come from all orgs in turn, fresh ones before retries', async () => {
  await store.pins.acceptPins(
    org,
    Array.from({ length: 40 }, (_, i) => newPin(`many-${i}`)),
    false,
  )
  await store.pins.acceptPins(other, [newPin('single')], false)
  const due = await store.placements.due(node, 30, 10)
  assert.equal(due.length, 10)
  assert.ok(due.slice(0, 4).some((d) => d.cid === 'single'))
  assert.equal(
    (await store.placements.due(node, 5, 100)).filter((d) => d.orgId === org && d.cid.startsWith('many'))
      .length <= 5,
    true,
  )
})

test('with more orgs than one read visits, each gets its turn, fresh or tried before, even if other orgs have nothing due', async () => {
  const many = await store.nodes.boot('node-of-many')
  const count = 700
  // the turns of three hundred orgs bring no retry: theirs are due much later
  await asSystem(
    `with made as (
       insert into contents (cid, wanted) select 'turn-' || case when again then 'again-' else '' end || n, 1
       from generate_series(1, $1) n, unnest(array[true, false]) again returning cid)
     insert into placements (cid, node_id, generation, state, reason, org_id, retrying, wanted_since, next_attempt_at)
     select m.cid, $2, nextval('placement_generation'), 'queued', 'new',
       ('019a0000-0000-7000-8000-' || lpad(split_part(m.cid, '-', -1), 12, '0'))::uuid, m.cid like 'turn-again-%', now(),
       now() + case when m.cid like 'turn-again-%' and split_part(m.cid, '-', -1)::int <= 300 then interval '1 h' else interval '0' end
     from made m`,
    [count, uuidOf(many.nodeId)],
  )
  const met = new Set<string>()
  for (let reads = 1; reads <= 3; reads++)
    for (const { cid } of await store.placements.due(many, 256, 1_024)) met.add(cid)
  const numbers = (prefix: string) => [...met].filter((cid) => cid.startsWith(prefix)).length
  assert.deepEqual([numbers('turn-again-'), met.size], [count - 300, count - 300 + count])
  const round = new Set<string>()
  for (let reads = 1; reads <= count / 4; reads++)
    for (const { cid } of await store.placements.due(many, 1, 16)) round.add(cid)
  assert.equal(round.size, met.size, 'however little is read at a time')
  await asSystem(`delete from placements where node_id = $1`, [uuidOf(many.nodeId)])
  await asSystem(`delete from contents where cid like 'turn-%'`)
})

test('filters by status are counted from buckets, exactly, whatever the time bounds', async () => {
  const everything = await store.pins.listPins(org, { limit: 1000 })
  for (const statuses of [
    ['queued'],
    ['pinned'],
    ['failed', 'queued'],
    ['pinning', 'pinned', 'failed'],
  ] as const) {
    const expected = everything.results.filter((pin) => statuses.some((s) => s === pin.status))
    const middle = expected[Math.floor(expected.length / 2)]?.created.getTime()
    const page = await store.pins.listPins(org, { limit: 3, statuses: [...statuses] })
    assert.equal(page.count, expected.length)
    assert.deepEqual(
      page.results.map((p) => p.id),
      expected.slice(0, 3).map((p) => p.id),
    )
    if (middle === undefined) continue
    const below = await store.pins.listPins(org, { limit: 1000, statuses: [...statuses], before: middle })
    assert.deepEqual(
      below.results.map((p) => p.id),
      expected.filter((p) => p.created.getTime() < middle).map((p) => p.id),
    )
    assert.equal(below.count, below.results.length)
    const above = await store.pins.listPins(org, { limit: 1000, statuses: [...statuses], after: middle })
    assert.equal(above.count, expected.filter((p) => p.created.getTime() > middle).length)
  }
  assert.equal((await store.pins.listPins(org, { limit: 1, before: -1e15 })).count, 0)
  assert.equal((await store.pins.listPins(org, { limit: 1, after: 9e15 })).count, 0)
})

/** The filters of `GET /v1/pins`, alone, together, or none of them. */
const listFilters = fc.record(
  {
    cid: fc.uniqueArray(fc.constantFrom(...Array.from({ length: 7 }, (_, i) => rawCid(i))), {
      minLength: 1,
      maxLength: 3,
    }),
    name: fc.constantFrom('a', 'A', 'ab', 'c'),
    match: fc.constantFrom(...nameMatches),
    status: fc.subarray([...pinStatuses], { minLength: 1 }),
    meta: fc.constantFrom({}, { kind: 'odd' }, { kind: 'even', third: 'yes' }),
  },
  { requiredKeys: [] },
)

test('pages that follow one another by before make up the whole list, and the count falls by the pins seen', async () => {
  const { id } = await store.orgDirectory.createOrg('pages', {}, 'operator')
  const pins = Array.from({ length: 24 }, (_, i) =>
    newPin(rawCid(i % 6), {
      name: ['a', 'A', 'ab'][i % 3] ?? '',
      meta: { kind: i % 2 === 0 ? 'even' : 'odd', ...(i % 3 === 0 && { third: 'yes' }) },
    }),
  )
  await store.pins.acceptPins(id, pins, false)
  for (const cid of [rawCid(0), rawCid(1)])
    await work(cid, { kind: 'pinned', blocks: 1, bytes: 1, foreignPin: false })
  await work(rawCid(2), { kind: 'failed', errorCode: 'stalled', error: 'no block came' })
  const [claim] = await claimDue(rawCid(3))
  assert.ok(claim)
  await store.placements.extend(node, [{ ...claim, blocks: 1, bytes: 1 }], 30_000)
  const { results: everything } = await store.pins.listPins(id, { limit: 1000 })
  assert.deepEqual(new Set(everything.map((pin) => pin.status)), new Set(pinStatuses))

  const page = fc.integer({ min: 1, max: 8 })
  await fc.assert(
    fc.asyncProperty(listFilters, page, async (filters, limit) => {
      const wanted = everything.filter((pin) => isMeant(pin, filters))
      const seen: Pin[] = []
      for (;;) {
        const last = seen.at(-1)
        const before = last === undefined ? {} : { before: last.created.toISOString() }
        const { count, results } = await store.pins.listPins(id, pinQuery({ ...filters, limit, ...before }))
        assert.equal(count, wanted.length - seen.length)
        if (results.length === 0) break
        seen.push(...results)
      }
      assert.deepEqual(
        seen.map((pin) => pin.id),
        wanted.map((pin) => pin.id),
      )
    }),
    { numRuns: 60, examples: [[{}, 2]] },
  )
})

/** Whether a pin matches the filters, as the specification defines them. */
function isMeant(pin: Pin, { cid, name, match = 'exact', status, meta }: ListQuery): boolean {
  const isFiltered = cid !== undefined || name !== undefined || status !== undefined || meta !== undefined
  const fold = (text: string) => (match.startsWith('i') ? text.toLowerCase() : text)
  const own = fold(pin.name ?? '')
  return (
    (status ?? (isFiltered ? pinStatuses : ['pinned'])).includes(pin.status) &&
    (cid?.includes(pin.cid) ?? true) &&
    (name === undefined || (match.endsWith('partial') ? own.includes(fold(name)) : own === fold(name))) &&
    Object.entries(meta ?? {}).every(([key, value]) => pin.meta?.[key] === value)
  )
}

function rawCid(n: number): string {
  return parseCid(`f01551220${n.toString(16).padStart(64, '0')}`)
}

test('a claim lists the origins of each org separately: at most 20, those of its newest pins first, and the asking org first', async () => {
  const offer = (whose: OrgId, cid: string, origins?: string[]) =>
    store.pins.acceptPins(whose, [newPin(cid, origins && { origins })], false)
  const dead = (pin: number) => Array.from({ length: 12 }, (_, i) => `/dead/${pin}/${i}`)
  await offer(org, 'offered', dead(1))
  await offer(org, 'offered')
  for (const pin of [2, 3]) await offer(org, 'offered', dead(pin))
  await offer(other, 'offered', ['/good/2', '/good/1'])
  await offer(other, 'offered', ['/good/3', '/good/2'])
  const theirs = { orgId: other, origins: ['/good/3', '/good/2', '/good/1'] }
  const ours = { orgId: org, origins: [...dead(3), ...dead(2).slice(0, 8)] }
  const [claim] = await claimDue('offered')
  assert.deepEqual(claim?.origins, [ours, theirs])
  const since = await store.placements.origins('offered')
  assert.deepEqual(new Set(since), new Set([ours, theirs]))

  // the work of the claim is under way: only a pin that brings origins is announced, by a hint of its own
  const woken = async (origins?: string[]) => {
    const pin = newPin('offered', origins && { origins })
    const [accepted] = await store.pins.acceptPins(other, [pin], false)
    assert.ok(accepted && 'woken' in accepted)
    return accepted.woken.map(({ wokenBy }) => wokenBy === pin.id)
  }
  assert.deepEqual([await woken(), await woken(['/good/4'])], [[], [true]])
  await offer(org, 'unoffered')
  assert.deepEqual((await claimDue('unoffered'))[0]?.origins, [])
  assert.deepEqual(await store.placements.origins('unoffered'), [])
})

test('of very many orgs, 16 give their origins at a time: always the asking org, and the others in turn', async () => {
  const orgs: OrgId[] = []
  for (let i = 0; i < 40; i++)
    orgs.push((await store.orgDirectory.createOrg(`crowd-${i}`, {}, 'operator')).id)
  for (const [i, each] of [org, ...orgs].entries())
    await store.pins.acceptPins(each, [newPin('crowded', { origins: [`/of/${i}`] })], false)
  const [claim] = await claimDue('crowded')
  assert.equal(claim?.origins.length, 16)
  assert.equal(claim.origins[0]?.orgId, org)
  const met = new Set<OrgId>()
  await until(
    'each org was among those asked',
    async () => {
      for (const { orgId } of await store.placements.origins('crowded')) met.add(orgId)
      return met.size === 41
    },
    { everyMs: 0 },
  )
})

async function asSystem(sql: string, params: unknown[] = []): Promise<void> {
  const client = new pg.Client({ connectionString: database.systemUrl })
  await client.connect()
  try {
    await client.query(sql, params)
  } finally {
    await client.end()
  }
}

function newPin(cid: string, more: Partial<NewPin> = {}): NewPin {
  return { id: mintId('pin'), cid, cidText: cid, replicas: 1, actor, nodes: [node.nodeId], ...more }
}

async function acceptOne(cid: string, more: Partial<NewPin> = {}): Promise<PinId> {
  const [accepted] = await store.pins.acceptPins(org, [newPin(cid, more)], false)
  return pinIn(accepted).id
}

function pinIn(accepted: Accepted | undefined): Pin {
  assert.ok(accepted && 'pin' in accepted)
  return accepted.pin
}

function created(pin: Pin): unknown[] {
  return [pin.id, pin.created.getTime(), pin.status]
}

async function claimDue(cid: string) {
  const due = await store.placements.due(node, 1_000, 1_000)
  return store.placements.claim(
    node,
    due.filter((d) => d.cid === cid),
    30_000,
  )
}

async function work(cid: string, outcome: Outcome): Promise<void> {
  const [claim] = await claimDue(cid)
  assert.ok(claim, `nothing to claim of ${cid}`)
  await store.placements.finish(node, [{ cid, generation: claim.generation, outcome }])
}

async function states(cid: string): Promise<string[]> {
  return (await store.reconcile.placementsOf(node, [cid])).map((p) => p.state)
}

async function sweepAll(): Promise<void> {
  await store.sweep.releaseHolds(epoch, 100)
  await store.sweep.releaseDue(epoch, 100)
  await store.sweep.finishFolds(epoch, 100)
  await store.sweep.requeueExpiredClaims(epoch, 100)
}

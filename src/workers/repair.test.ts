import assert from 'node:assert/strict'
import { test } from 'node:test'
import { epochOf, numberOf, type Epoch } from '../core/epoch.ts'
import { AnchorageError } from '../core/errors.ts'
import { mintId } from '../core/ids.ts'
import type { NodeId } from '../core/ids.ts'
import type { Away, Node } from '../core/node.ts'
import type { Job, PlacementState } from '../core/placement.ts'
import type { RepairStore } from '../core/ports.ts'
import type { ContentCopies, Copy, Repair } from '../core/repair.ts'
import { fakeClock } from '../../testing/fakes/clock.ts'
import { repair } from './repair.ts'
import { fakeNode } from '../../testing/fakes/node.ts'
import { silentLog } from '../core/silent-log.ts'

const policy = { downGraceMs: 300_000, minCopies: 1, highWater: 0.9 }
const signal = new AbortController().signal

interface Content extends ContentCopies {
  unsettled: boolean
}

/** Contents and walks in memory, by the rules of the store; every write is refused during maintenance. */
class FakeRepairs implements RepairStore {
  readonly contents = new Map<string, Content>()
  readonly walking = new Map<NodeId, string>()
  readonly down = new Set<NodeId>()
  readonly away = new Map<NodeId, Away>()
  readonly epochs = new Set<Epoch>()
  readonly reads: string[] = []
  applied: Repair[] = []
  maintenance = false
  onApply = () => {}
  #generation = 0

  put(cid: string, wanted: number, on: NodeId[], more: Partial<Content> = {}): void {
    const copies = on.map((nodeId) => this.copy(nodeId, 'pinned'))
    this.contents.set(cid, { cid, wanted, dagSize: 100, copies, unsettled: false, ...more })
  }

  copy(nodeId: NodeId, state: PlacementState): Copy {
    return { nodeId, generation: ++this.#generation, state, errorCode: null, lost: false, leaving: false }
  }

  async unsettled(afterCid: string, limit: number) {
    this.reads.push('unsettled')
    return this.#page(afterCid, limit, ({ unsettled }) => unsettled)
  }

  async onNode(nodeId: NodeId, afterCid: string, limit: number) {
    this.reads.push('walk')
    return this.#page(afterCid, limit, ({ copies }) => copies.some((copy) => copy.nodeId === nodeId))
  }

  async walks() {
    return Array.from(this.walking, ([nodeId, afterCid]) => ({ nodeId, afterCid }))
  }

  async noteAway(epoch: Epoch, nodeId: NodeId, away: Away) {
    this.#lead(epoch)
    this.away.set(nodeId, away)
    if (!this.down.has(nodeId) && !this.walking.has(nodeId)) this.walking.set(nodeId, '')
  }

  async noteHeard(epoch: Epoch, nodeId: NodeId) {
    this.#lead(epoch)
    this.away.delete(nodeId)
  }

  async waitingOn(nodeId: NodeId, after: string, limit: number) {
    this.reads.push('waiting')
    const contents = this.#page(after, limit, ({ copies }) =>
      copies.some((copy) => copy.nodeId === nodeId && copy.state === 'queued'),
    )
    return { contents, after: contents.length < limit ? null : (contents.at(-1)?.cid ?? null) }
  }

  async advanceWalk(epoch: Epoch, nodeId: NodeId, afterCid: string | null) {
    this.#lead(epoch)
    if (afterCid === null) this.walking.delete(nodeId)
    else this.walking.set(nodeId, afterCid)
  }

  async apply(epoch: Epoch, repairs: Repair[]) {
    this.onApply()
    this.#lead(epoch)
    assert.ok(repairs.length <= 50, 'small transactions')
    const jobs: Job[] = []
    for (const one of repairs) {
      this.applied.push(one)
      const content = this.contents.get(one.cid)
      if (content === undefined) continue
      content.unsettled = !one.settled
      for (const { nodeId } of one.add) {
        const copy = this.copy(nodeId, 'queued')
        content.copies.push(copy)
        jobs.push({ cid: one.cid, nodeId, orgId: null, generation: copy.generation, attempt: 1 })
      }
      for (const copy of content.copies) {
        if (one.drop.some(({ nodeId }) => nodeId === copy.nodeId)) copy.state = 'unpinning'
        if (one.lose.includes(copy.nodeId)) copy.lost = true
        if (one.find.includes(copy.nodeId)) copy.lost = false
      }
    }
    const added = repairs.reduce((sum, { add }) => sum + add.length, 0)
    return { jobs, added, dropped: repairs.reduce((sum, { drop }) => sum + drop.length, 0), stale: 0 }
  }

  async moving() {
    const under = [...this.contents.values()].flatMap(({ copies, dagSize }) =>
      copies.filter(({ state, lost }) => state === 'queued' && !lost).map(() => dagSize ?? 0),
    )
    return { copies: under.length, bytes: under.reduce((sum, bytes) => sum + bytes, 0) }
  }

  async noteDown(epoch: Epoch, nodeId: NodeId, down: boolean) {
    this.#lead(epoch)
    if (down) this.down.add(nodeId)
    else this.down.delete(nodeId)
    this.walking.set(nodeId, '')
  }

  async downNodes() {
    return [...this.down]
  }

  async noteDrained(epoch: Epoch): Promise<NodeId[]> {
    this.#lead(epoch)
    return []
  }

  #lead(epoch: Epoch): void {
    this.epochs.add(epoch)
    if (this.maintenance) throw new AnchorageError('maintenance', 'maintenance is on')
  }

  #page(afterCid: string, limit: number, wanted: (content: Content) => boolean): ContentCopies[] {
    return [...this.contents.values()]
      .filter((content) => content.cid > afterCid && wanted(content))
      .toSorted((a, b) => (a.cid < b.cid ? -1 : 1))
      .slice(0, limit)
  }
}

function world(count = 3, rules = policy) {
  const clock = fakeClock()
  const nodes = Array.from({ length: count }, (_, index) =>
    fakeNode({ name: `n${index}`, capacityBytes: 1e12, usedBytes: 0 }),
  )
  const store = new FakeRepairs()
  const hinted: Job[] = []
  const bus = { publishJobs: async (jobs: Job[]) => void hinted.push(...jobs) }
  const accepts = { ms: null as number | null }
  const acceptMs = () => accepts.ms
  let listensSinceMs = clock.now()
  const listening = {
    listenedMs: () => clock.now() - listensSinceMs,
    listenAgain: () => void (listensSinceMs = clock.now()),
  }
  const parts = {
    store,
    nodes: () => nodes,
    bus,
    policy: rules,
    acceptMs,
    clock,
    log: silentLog,
    ...listening,
  }
  const worker = repair(parts)
  let epoch = epochOf('1')
  return {
    clock,
    nodes,
    store,
    accepts,
    hinted,
    lead: () => (epoch = epochOf(`${numberOf(epoch) + 1}`)),
    run: (turn = { epoch, signal }) => worker.run(turn),
    node(index: number): Node {
      const node = nodes[index]
      assert.ok(node)
      return node
    },
    silence(index: number, silentMs: number) {
      Object.assign(this.node(index), { live: false, silentMs })
    },
    /** Pins all that is queued, and removes all that is unpinning. */
    work() {
      for (const content of store.contents.values()) {
        for (const copy of content.copies) {
          if (copy.state === 'queued') {
            copy.state = 'pinned'
            content.unsettled = true
          }
        }
        content.copies = content.copies.filter(({ state }) => state !== 'unpinning')
      }
    },
    async settle() {
      for (let runs = 0; runs < 100; runs++) {
        await worker.run({ epoch, signal })
        this.work()
        await clock.pass(1_000)
      }
    },
    holders: (cid: string) =>
      store.contents
        .get(cid)
        ?.copies.filter(({ lost }) => !lost)
        .map(({ nodeId }) => nodeId) ?? [],
  }
}

const names = (count: number) =>
  Array.from({ length: count }, (_, index) => `c${String(index).padStart(6, '0')}`)

test('a drain slows down for accepts that become slow, and runs at full speed without them; copies after a loss never slow down', async () => {
  const at = world()
  for (const cid of names(2_000)) at.store.put(cid, 1, [at.node(0).id])
  Object.assign(at.node(0), { state: 'draining' })
  at.store.walking.set(at.node(0).id, '')
  at.accepts.ms = 500
  const underWay = () =>
    [...at.store.contents.values()].flatMap(({ copies }) => copies).filter(({ state }) => state === 'queued')
      .length
  for (let runs = 0; runs < 10; runs++) {
    await at.run()
    assert.ok(underWay() > 0 && underWay() <= 8, `${underWay()} copies beside slow accepts`)
    at.work()
  }
  at.accepts.ms = null
  await at.run()
  assert.ok(underWay() > 300, `${underWay()} copies beside no accepts`)
  at.work()
  at.accepts.ms = 500
  at.silence(2, 400_000)
  await at.clock.pass(400_000)
  await at.run()
  at.work()
  await at.run()
  assert.ok(underWay() > 300, `${underWay()} copies after a loss`)
})

test('content with copies on other nodes is not copied when a node is only briefly silent', async () => {
  const at = world()
  for (const cid of names(300)) at.store.put(cid, 2, [at.node(0).id, at.node(1).id])
  await at.run()
  at.silence(1, 200_000)
  await at.clock.pass(60_000)
  assert.partialDeepStrictEqual(await at.run(), { added: 0, down: 0 })
  assert.deepEqual([...at.store.down], [])
})

test('content that falls below its minimum does not wait for the grace period', async () => {
  const at = world(4, { ...policy, minCopies: 2 })
  const [a, b, c] = at.nodes.map(({ id }) => id)
  assert.ok(a && b && c)
  at.store.put('two', 2, [a, b])
  at.store.put('three', 3, [a, b, c])
  await at.run()
  at.silence(1, 40_000)
  await at.clock.pass(30_000)
  assert.partialDeepStrictEqual(await at.run(), { added: 1, down: 0 })
  assert.deepEqual(
    at.hinted.map(({ cid }) => cid),
    ['two'],
  )
  await at.run()
  assert.equal(at.store.reads.filter((read) => read === 'walk').length, 1, 'walked once for that')
})

test('content of a node that is gone is copied; when the node is back, extra copies are dropped', async () => {
  const at = world()
  for (const cid of names(450)) at.store.put(cid, 2, [at.node(0).id, at.node(1).id])
  await at.run()
  at.silence(1, 301_000)
  await at.clock.pass(301_000)
  await at.settle()
  assert.deepEqual([...at.store.down], [at.node(1).id])
  assert.ok(names(450).every((cid) => at.holders(cid).includes(at.node(2).id)))
  assert.equal(at.store.walking.size, 0)
  Object.assign(at.node(1), { live: true, silentMs: 0 })
  await at.settle()
  assert.equal(at.store.down.size, 0)
  assert.ok(names(450).every((cid) => at.holders(cid).length === 2))
  assert.partialDeepStrictEqual(await at.run(), { added: 0, dropped: 0, looked: 0 })
})

test('a node that was back for a moment has another full grace when it goes away again', async () => {
  const at = world()
  at.store.put('c1', 2, [at.node(0).id, at.node(1).id])
  at.silence(1, 400_000)
  await at.clock.pass(20_000)
  assert.partialDeepStrictEqual(await at.run(), { down: 1, added: 1 })
  at.work()
  Object.assign(at.node(1), { live: true, silentMs: 0, down: true })
  await at.run()
  await at.clock.pass(2_000)
  // only its heartbeats were heard: its last sign in Postgres is as old as before, and the list of nodes is some seconds old
  Object.assign(at.node(1), { live: false, silentMs: 422_000 })
  at.store.applied = []
  assert.partialDeepStrictEqual(await at.run(), { down: 0 })
  assert.deepEqual([[...at.store.down], at.store.applied.flatMap(({ lose }) => lose)], [[], []])
  await at.clock.pass(policy.downGraceMs)
  assert.partialDeepStrictEqual(await at.run(), { down: 1 })
})

test('a leader that has just started to listen concludes nothing from a silence that may be its own', async () => {
  const at = world()
  at.store.put('c1', 2, [at.node(0).id, at.node(1).id])
  at.silence(1, 999_000)
  assert.partialDeepStrictEqual(await at.run(), { deaf: true })
  await at.clock.pass(14_000)
  assert.partialDeepStrictEqual(await at.run(), { deaf: true })
  await at.clock.pass(2_000)
  assert.partialDeepStrictEqual(await at.run(), { down: 1, added: 1 })
  at.lead()
  assert.partialDeepStrictEqual(await at.run(), { down: 1 }, 'the node has listened on')
})

test('a node that cannot work hands over what waits on it at once, keeps its pinned copies for the grace, and gets them back', async () => {
  const at = world()
  const ids = at.nodes.map(({ id }) => id)
  at.store.put('pinned', 1, [at.node(0).id])
  at.store.put('waiting', 1, [])
  at.store.contents.get('waiting')?.copies.push(at.store.copy(at.node(0).id, 'queued'))
  Object.assign(at.node(0), { unable: { what: 'kubo', forMs: 1_000, reason: 'away' } })
  at.store.walking.clear()
  await at.run()
  assert.deepEqual([...at.store.away.keys()], [at.node(0).id], 'accepts are told')
  Object.assign(at.node(0), { unable: { what: 'kubo', forMs: 3_000, reason: 'away' } })
  await at.run()
  at.work()
  assert.deepEqual(at.holders('pinned'), [ids[0]])
  assert.equal(
    at.holders('waiting').some((id) => id === ids[0]),
    false,
  )
  assert.equal(at.holders('waiting').length, 1)
  Object.assign(at.node(0), { unable: { what: 'kubo', forMs: 301_000, reason: 'away' } })
  await at.settle()
  assert.deepEqual([...at.store.down], [at.node(0).id])
  assert.equal(at.holders('pinned').length, 1, 'its copy is lost, and another is made')
  Object.assign(at.node(0), { unable: null })
  await at.settle()
  assert.equal(at.store.down.size, 0)
  assert.equal(at.holders('pinned').length, 1)
})

test('a pass over the work that waits on a node reaches all of it, also behind work that no other node can take', async () => {
  const at = world(2)
  const [a, b] = [at.node(0), at.node(1)]
  for (const name of [...names(230), 'z']) at.store.put(name, 2, [])
  for (const { cid, copies } of at.store.contents.values())
    for (const { id } of cid === 'z' ? [a] : [a, b]) copies.push(at.store.copy(id, 'queued'))
  at.store.noteAway = async () => {}
  Object.assign(a, { unable: { what: 'postgres', forMs: 9_000, reason: 'away' } })
  await at.run()
  assert.deepEqual(at.holders('z'), [a.id, b.id])
  assert.equal(at.store.reads.filter((read) => read === 'waiting').length, 2)
  await at.run()
  assert.equal(at.store.reads.filter((read) => read === 'waiting').length, 2, 'it rests')
})

test('silence is doubted again after Postgres was down', async () => {
  const at = world()
  await at.run()
  await at.clock.pass(60_000)
  at.store.downNodes = () => Promise.reject(new AnchorageError('unavailable', 'away'))
  await assert.rejects(at.run(), /away/)
  at.store.downNodes = async () => [...at.store.down]
  for (const index of [1, 2]) at.silence(index, 999_000)
  assert.partialDeepStrictEqual(await at.run(), { deaf: true })
  assert.equal(at.store.down.size, 0)
})

test('no more copies begin than may be under way, and the walk continues from there', async () => {
  const at = world()
  for (const cid of names(2_000)) at.store.put(cid, 2, [at.node(0).id, at.node(1).id])
  await at.run()
  at.node(1).state = 'draining'
  at.store.walking.set(at.node(1).id, '')
  const { added } = await at.run()
  assert.equal(added, 768, '256 for each of three nodes')
  assert.partialDeepStrictEqual(await at.run(), { added: 0, moving: 768 })
  assert.ok((at.store.walking.get(at.node(1).id) ?? '') > '')
  await at.settle()
  assert.equal(at.store.walking.size, 0)
  assert.ok(
    names(2_000).every((cid) => at.holders(cid).length === 2 && !at.holders(cid).includes(at.node(1).id)),
  )
})

test('large content begins one after another, and so does content larger than all that may be under way', async () => {
  const at = world()
  for (const cid of names(10)) at.store.put(cid, 1, [at.node(0).id], { dagSize: 1e11 })
  at.node(0).state = 'draining'
  at.store.walking.set(at.node(0).id, '')
  assert.partialDeepStrictEqual(await at.run(), { added: 3 })
  await at.settle()
  assert.ok(
    names(10).every((cid) => at.holders(cid).length === 1 && !at.holders(cid).includes(at.node(0).id)),
  )
})

test('drops do not wait for copies that may not begin yet', async () => {
  const at = world()
  const [a, b, c] = at.nodes.map(({ id }) => id)
  assert.ok(a && b && c)
  for (const cid of names(900)) {
    at.store.put(cid, 1, [a], { unsettled: true, copies: [at.store.copy(a, 'queued')] })
  }
  at.store.put('short', 2, [a], { unsettled: true })
  at.store.put('too many', 1, [a, b], { unsettled: true })
  assert.partialDeepStrictEqual(await at.run(), { added: 0, dropped: 1 })
  assert.equal(at.store.contents.get('short')?.unsettled, true)
})

test('contents that cannot be settled hold back no other, and are not looked through all the time', async () => {
  const at = world(2)
  const [a, b] = at.nodes.map(({ id }) => id)
  assert.ok(a && b)
  for (const cid of names(3_000)) at.store.put(cid, 3, [a, b], { unsettled: true })
  at.store.put('z', 2, [a], { unsettled: true })
  await at.run()
  await at.run()
  assert.equal(at.holders('z').length, 2)
  at.work()
  for (let runs = 0; runs < 5; runs++) await at.run()
  at.store.reads.length = 0
  await at.run()
  assert.deepEqual(at.store.reads, [])
  const third: Node = { ...at.node(0), id: mintId('nod') }
  at.nodes.push(third)
  await at.run()
  assert.ok(
    at.hinted.some(({ nodeId }) => nodeId === third.id),
    'at once when a node came',
  )
})

test('during maintenance nothing is done, which is not a failure; afterwards repair continues', async () => {
  const at = world()
  for (const cid of names(10)) at.store.put(cid, 2, [at.node(0).id], { unsettled: true })
  at.store.maintenance = true
  assert.partialDeepStrictEqual(await at.run(), { maintenance: true, added: 0 })
  assert.deepEqual(at.hinted, [])
  at.store.maintenance = false
  assert.partialDeepStrictEqual(await at.run(), { maintenance: false, added: 10 })
})

test('lost leadership ends a run between two transactions, and committed repairs are hinted', async () => {
  const at = world()
  for (const cid of names(200)) at.store.put(cid, 2, [at.node(0).id], { unsettled: true })
  const leading = new AbortController()
  at.store.onApply = () => leading.abort(new Error('lost'))
  await assert.rejects(at.run({ epoch: epochOf('7'), signal: leading.signal }), /lost/)
  assert.equal(at.hinted.length, 50)
  assert.deepEqual([...at.store.epochs], ['7'])
})

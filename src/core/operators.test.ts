import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DrainProgress } from './drain.ts'
import { AnchorageError } from './errors.ts'
import { mintId, type NodeId } from './ids.ts'
import type { Maintenance } from './maintenance.ts'
import type { Held } from './measures.ts'
import type { NodeReport } from './node-report.ts'
import type { Node } from './node.ts'
import { operatorUseCases, type Announcement } from './operators.ts'
import type { PlanStore } from './plan-ports.ts'
import type { NewPlan, Plan, Move } from './plan.ts'
import type { Log, OperatorStore } from './ports.ts'
import type { ContentCopies, Copy } from './repair.ts'
import { fakeNode, fakeReport } from '../../testing/fakes/node.ts'

const policy = { tolerance: 0, highWater: 0.9, downGraceMs: 300_000, minCopies: 1 }
const signal = new AbortController().signal
const GiB = 2 ** 30

test('nodes are found by name and by TypeID; for an unknown name the error lists the existing nodes', async () => {
  const { use, nodes } = cluster(['anchor-1', 'anchor-2'])
  const id = nodes[1]?.id ?? ''
  assert.equal((await use.node('anchor-2')).node.id, id)
  assert.equal((await use.node(id)).node.name, 'anchor-2')
  await assert.rejects(use.drain('anchor-9', 'me'), {
    code: 'not_found',
    message: 'there is no node "anchor-9": there are anchor-1, anchor-2',
  })
})

test('a change is in the store before the nodes hear of it, and is kept when they cannot be notified', async () => {
  const { use, done, warnings } = cluster(['anchor-1', 'anchor-2'], {
    announce: async ({ what }) => {
      done.push(`announce ${what}`)
      throw new Error('NATS is away')
    },
  })
  const drain = await use.drain('anchor-1', 'tok_x')
  assert.equal(drain.node.state, 'draining')
  await use.beginMaintenance({ reason: 'switches', ttlMs: null }, 'me')
  assert.deepEqual(done, [
    'drain anchor-1 by tok_x',
    'announce nodes',
    'maintenance switches by me',
    'announce maintenance',
  ])
  assert.equal(warnings.length, 2)
})

test('the leader is the live node that reported the newest epoch', async () => {
  const { use, nodes } = cluster(['anchor-1', 'anchor-2', 'anchor-3'], { epochs: [6, 7, 8] })
  Object.assign(nodes[2] ?? {}, { live: false })
  assert.deepEqual(
    (await use.nodes()).map(({ leads }) => leads),
    [null, 7, null],
  )
})

test('a report that lacks fields, as from an older version, is shown with defaults for them', async () => {
  const { use, nodes, reports } = cluster(['anchor-1'])
  const older: object = { version: '0.9' }
  reports.set(idOf(nodes, 0), JSON.parse(JSON.stringify(older)))
  const [status] = await use.statuses()
  assert.deepEqual(
    [status?.report?.version, status?.report?.workers, status?.report?.heard, status?.leads],
    ['0.9', [], {}, null],
  )
})

test('a drain says that there are too few nodes only when the leader can do nothing', async () => {
  const { use, nodes, contents, progress } = cluster(['anchor-1', 'anchor-2', 'anchor-3'])
  Object.assign(progress, { left: 2, waiting: 2 })
  contents.push(content(2, nodes, ['pinned', 'pinned']))
  assert.equal((await use.drain('anchor-1', 'me')).waits, null, 'anchor-3 has room')
  Object.assign(nodes[2] ?? {}, { live: false })
  contents.push(content(1, nodes, ['pinned']))
  assert.equal((await use.drainOf('anchor-1')).waits, null, 'some of it can go to anchor-2')
  contents.pop()
  assert.equal(
    (await use.drainOf('anchor-1')).waits,
    'too few nodes: content wants 2 copies, and 1 other node is in service, works and has room',
  )
  Object.assign(progress, { moving: 1, waiting: 1 })
  assert.equal((await use.drainOf('anchor-1')).waits, null, 'something moves')
})

test('a drain of a silent node says that its copies stay until the node is back or is forgotten', async () => {
  const { use, nodes, contents, progress } = cluster(['anchor-1', 'anchor-2'])
  Object.assign(progress, { left: 1, waiting: 1 })
  Object.assign(nodes[1] ?? {}, { live: false })
  contents.push(content(1, nodes, ['pinned', 'unpinning']))
  assert.match((await use.drain('anchor-2', 'me')).waits ?? '', /is silent.*admin forget anchor-2/)
})

test('copies that fail on other nodes are not reported as too few nodes', async () => {
  const { use, nodes, contents, progress } = cluster(['anchor-1', 'anchor-2'])
  Object.assign(progress, { left: 1, waiting: 1 })
  contents.push(content(1, nodes, ['pinned', 'queued']))
  assert.match((await use.drain('anchor-1', 'me')).waits ?? '', /tried again/)
})

test('in maintenance, and without a leader, a drain and a plan wait and say why', async () => {
  const { use, nodes } = cluster(['anchor-1', 'anchor-2'])
  const { id } = await use.makePlan('me', signal)
  await use.drain('anchor-1', 'me')
  await use.beginMaintenance({ reason: 'switches', ttlMs: 60_000 }, 'me')
  assert.match((await use.drainOf('anchor-1')).waits ?? '', /maintenance is on \(switches\)/)
  assert.match((await use.applyPlan(id, 'me')).waits ?? '', /maintenance is on \(switches\)/)
  assert.equal((await use.endMaintenance('me'))?.reason, 'switches')
  assert.equal(await use.endMaintenance('me'), null)
  assert.equal((await use.plan(id)).waits, null)
  for (const node of nodes) Object.assign(node, { live: false })
  assert.match((await use.plan(id)).waits ?? '', /no node leads/)
})

test('maintenance without a reason is refused', async () => {
  const { use, done } = cluster(['anchor-1'])
  await assert.rejects(use.beginMaintenance({ reason: ' ', ttlMs: null }, 'me'), { code: 'invalid' })
  assert.deepEqual(done, [])
})

test('a plan is made from the copies on the nodes, saved whole, and applied once even when it is requested twice', async () => {
  const { use, done } = cluster(['anchor-1', 'anchor-2'])
  const plan = await use.makePlan('me', signal)
  assert.deepEqual([plan.moves, plan.bytes, plan.actor], [5, 5 * GiB, 'me'])
  const pages = []
  for await (const page of use.allMoves(plan.id)) pages.push(page)
  assert.deepEqual(
    pages.flat().map(({ number }) => number),
    [1, 2, 3, 4, 5],
  )
  await use.applyPlan(plan.id, 'me')
  await use.applyPlan(plan.id, 'me')
  await use.pausePlan(plan.id, 'me')
  assert.equal((await use.plan(plan.id)).waits, 'the plan is paused')
  assert.deepEqual(done, ['plan applying by me', 'plan paused by me'])
})

test('a plan waits until the plan before it is carried out', async () => {
  const { use } = cluster(['anchor-1', 'anchor-2'])
  const [first, second] = [await use.makePlan('me', signal), await use.makePlan('me', signal)]
  await use.applyPlan(first.id, 'me')
  assert.equal((await use.applyPlan(second.id, 'me')).waits, `plan ${first.id} has to finish first`)
})

test('applying a plan that is already applied changes nothing and shows the plan', async () => {
  const { use, done } = cluster(['anchor-1', 'anchor-2'])
  const plan = await use.makePlan('me', signal)
  Object.assign(plan, { state: 'applied' })
  assert.equal((await use.applyPlan(plan.id, 'me')).plan.state, 'applied')
  assert.deepEqual(done, [])
})

test('a node has the same figures when shown alone and in the list', async () => {
  const { use, nodes, held } = cluster(['anchor-1', 'anchor-2'])
  const kind = { nodeId: idOf(nodes, 0), reason: 'new' } as const
  held.push(
    { ...kind, state: 'pinned', count: 3, bytes: 3 * GiB },
    { ...kind, state: 'lost', count: 2, bytes: GiB },
  )
  const [first, second] = await use.nodes()
  assert.deepEqual([first?.placements, first?.bytes, second?.placements], [5, 4 * GiB, 0])
  assert.deepEqual(await use.node('anchor-1'), first)
})

test('a confirmation for a reconciler that did not stop is refused', async () => {
  const { use, reports, nodes, done } = cluster(['anchor-1'])
  await assert.rejects(use.confirmReconcile('anchor-1', 'me'), { code: 'conflict' })
  Object.assign(reports.get(nodes[0]?.id ?? '') ?? {}, { reconcileBlocked: 200 })
  await use.confirmReconcile('anchor-1', 'me')
  assert.deepEqual(done, ['confirm anchor-1 by me'])
})

/** A cluster in memory, as far as these use cases look at it. All content is on the first node: ten contents of 1 GiB. */
function cluster(
  names: string[],
  given: { epochs?: number[]; announce?: (a: Announcement) => Promise<void> } = {},
) {
  const nodes = names.map(nodeNamed)
  const reports = new Map<string, NodeReport>(
    nodes.map(({ id }, i) => [id, reportOf(given.epochs?.[i] ?? (i === 0 ? 1 : null))]),
  )
  const done: string[] = []
  const warnings: string[] = []
  const contents: ContentCopies[] = []
  const progress = { left: 0, moving: 0, waiting: 0, removing: 0, bytesLeft: 0 }
  const held: Held[] = []
  const warn = (_fields: object, message: string) => void warnings.push(message)
  const log: Log = { debug() {}, info() {}, warn, error() {}, child: () => log }
  const use = operatorUseCases({
    store: storeOf({ nodes, reports, done, progress }),
    plans: plansOf(nodes, done),
    measures: {
      held: async () => held,
      pins: async () => ({ queued: 1, pinning: 2, pinned: 3, failed: 4 }),
      unsettled: async () => contents.length,
    },
    repair: {
      onNode: async () => contents,
      unsettled: async () => contents,
      moving: async () => ({ copies: progress.moving, bytes: 0 }),
    },
    announce: given.announce ?? (async () => {}),
    policy,
    log,
  })
  return { use, nodes, reports, done, warnings, contents, progress, held }
}

function storeOf(kept: {
  nodes: Node[]
  reports: Map<string, NodeReport>
  done: string[]
  progress: DrainProgress
}): OperatorStore {
  const { nodes, reports, done, progress } = kept
  let maintenance: Maintenance | null = null
  const find = (given: string): Node => {
    const node = nodes.find(({ id, name }) => id === given || name === given)
    if (node === undefined) throw new AnchorageError('not_found', `there is no node ${given}`)
    return node
  }
  const note = (word: string, id: NodeId, actor: string) =>
    void done.push(`${word} ${find(id).name} by ${actor}`)
  return {
    node: async (given) => find(given),
    async drain(id, actor) {
      Object.assign(find(id), { state: 'draining' })
      note('drain', id, actor)
    },
    async uncordon(id, actor) {
      Object.assign(find(id), { state: 'active' })
      note('uncordon', id, actor)
    },
    soleContents: async () => ({ contents: [], orgs: [], seen: 0, last: null }),
    forget: async (id, actor) => note('forget', id, actor),
    drainProgress: async () => progress,
    maintenance: async () => maintenance,
    async setMaintenance(on, actor) {
      done.push(`maintenance ${on?.reason ?? 'off'} by ${actor}`)
      maintenance = on && { reason: on.reason, actor, since: new Date(0), until: null }
      return maintenance
    },
    endMaintenance: async () => false,
    reports: async () =>
      nodes.map((node) => ({ node, report: reports.get(node.id) ?? null, reportedAt: null })),
    audit: async () => [],
    pruneDenylist: async () => 0,
    unwanted: async () => [],
    confirmReconcile: async (id, actor) => note('confirm', id, actor),
  }
}

function plansOf(nodes: Node[], done: string[]): PlanStore {
  const kept: { plan: Plan; moves: Move[] }[] = []
  const held = Array.from({ length: 10 }, (_, i) => ({
    cid: `cid-${i}`,
    bytes: GiB,
    holders: [idOf(nodes, 0)],
  }))
  const find = (id: string) => {
    const found = kept.find(({ plan }) => plan.id === id)
    if (found === undefined) throw new AnchorageError('not_found', 'there is no such plan')
    return found
  }
  const saved = async (plan: NewPlan, pages: AsyncIterable<Move[]>): Promise<Plan> => {
    const moves: Move[] = []
    for await (const page of pages) moves.push(...page)
    const bytes = moves.reduce((sum, move) => sum + move.bytes, 0)
    const whole: Plan = {
      ...plan,
      state: 'planned',
      createdAt: new Date(0),
      moves: moves.length,
      bytes,
      done: 0,
      skipped: 0,
      bytesDone: 0,
      bytesSkipped: 0,
    }
    kept.push({ plan: whole, moves })
    return whole
  }
  return {
    movable: async (id, after, limit) =>
      id === idOf(nodes, 0) ? held.filter(({ cid }) => cid > after).slice(0, limit) : [],
    usage: async () => [{ nodeId: idOf(nodes, 0), placements: 10, bytes: 10 * GiB }],
    savePlan: saved,
    plan: async (id) => ({ ...find(id).plan, moving: 0, bytesArrived: 0 }),
    plans: async (limit) => kept.map(({ plan }) => plan).slice(0, limit),
    moves: async (id, after, limit) =>
      find(id)
        .moves.map((move, i) => ({ ...move, number: i + 1, state: 'planned' as const, note: null }))
        .slice(after, after + limit),
    async setPlanState(id, state, actor) {
      done.push(`plan ${state} by ${actor}`)
      return Object.assign(find(id).plan, { state })
    },
    applying: async () => kept.find(({ plan }) => plan.state === 'applying')?.plan ?? null,
    startMoves: async () => ({ jobs: [], started: 0, skipped: 0 }),
    settleMoves: async () => ({ done: 0, left: 0 }),
  }
}

function idOf(nodes: Node[], i: number): NodeId {
  return nodes[i]?.id ?? mintId('nod')
}

function nodeNamed(name: string): Node {
  return fakeNode({ name, capacityBytes: 1024 * GiB, usedBytes: 0 })
}

function reportOf(epoch: number | null): NodeReport {
  return fakeReport({ leader: epoch === null ? null : { epoch } })
}

function content(wanted: number, nodes: Node[], states: Copy['state'][]): ContentCopies {
  const copies = states.map((state, i) => ({
    nodeId: idOf(nodes, i),
    generation: i,
    state,
    errorCode: null,
    lost: false,
    leaving: false,
  }))
  return { cid: `cid-${wanted}`, wanted, dagSize: 1, copies }
}

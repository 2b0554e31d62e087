import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clusterStatus, type ClusterSight } from './cluster-status.ts'
import { mintId } from './ids.ts'
import type { NodeReport } from './node-report.ts'
import type { NodeView } from './node-statuses.ts'
import type { PlanState, PlanView } from './plan.ts'
import type { Copy } from './repair.ts'
import { fakeNode, fakeReport } from '../../testing/fakes/node.ts'

const [one, two] = [view('anchor-1', 7), view('anchor-2', null)]
const well: ClusterSight = {
  nodes: [one, two],
  maintenance: null,
  pins: { queued: 0, pinning: 0, pinned: 0, failed: 0 },
  held: [],
  unsettled: 0,
  contents: [],
  contentWaits: null,
  drains: [],
  plans: [],
}

test('a healthy cluster has no needs', () => {
  assert.deepEqual(clusterStatus(well).needs, [])
  assert.deepEqual(
    clusterStatus({ ...well, nodes: [] }).needs,
    [],
    'a cluster that has not started has no needs either',
  )
})

test('work and missing copies are counted from the placements on the nodes', () => {
  const { id: nodeId } = two.node
  const held: ClusterSight['held'] = [
    { nodeId, state: 'queued', reason: 'new', count: 3, bytes: 0 },
    { nodeId, state: 'pinned', reason: 'new', count: 5, bytes: 50 },
    { nodeId, state: 'pinning', reason: 'node_down', count: 2, bytes: 0 },
    { nodeId, state: 'failed', reason: 'repair', count: 1, bytes: 0 },
    { nodeId, state: 'lost', reason: 'new', count: 9, bytes: 90 },
  ]
  const { work, copies } = clusterStatus({ ...well, held })
  assert.deepEqual(work, { queued: 3, pinning: 2, unpinning: 0 })
  assert.deepEqual(copies, { nodeDown: 0, repairing: 2, failed: 1 })
  const silent = { ...two, node: { ...two.node, live: false } }
  assert.equal(clusterStatus({ ...well, held, nodes: [one, silent] }).copies.nodeDown, 5)
})

test('content with fewer copies on live nodes than wanted is short, and the reason why it waits is then a need', () => {
  const silent = { ...two, node: { ...two.node, live: false, state: 'drained' as const } }
  const contents = [
    content('a', 1, copy(one, 'pinned')),
    content('b', 2, copy(one, 'pinned'), copy(silent, 'pinned')),
    content('c', 1, { ...copy(one, 'pinned'), lost: true }),
  ]
  const status = clusterStatus({ ...well, nodes: [one, silent], contents, contentWaits: 'too few nodes' })
  assert.deepEqual(status.short, [
    { cid: 'b', wanted: 2, pinned: 1 },
    { cid: 'c', wanted: 1, pinned: 0 },
  ])
  assert.deepEqual(status.needs, [
    { about: null, reason: 'copies are missing: too few nodes', command: null },
  ])
  const [enough = assert.fail()] = contents
  assert.deepEqual(clusterStatus({ ...well, contents: [enough], contentWaits: 'x' }).needs, [])
})

test('everything that needs a person is listed once, with the command for it', () => {
  const silent = view('anchor-3', null, { reasons: [{ what: 'kubo', reason: 'it was unavailable then' }] })
  Object.assign(silent.node, { live: false, silentMs: 90_000 })
  const peer = { what: 'peer', reason: 'the node anchor-3 is silent' } as const
  const kubo = { what: 'kubo', reason: 'it is unavailable' } as const
  const unwell = view('anchor-1', null, { reasons: [peer, kubo], reconcileBlocked: 250 })
  const maintenance = { reason: 'switches', actor: 'me', since: new Date(0), until: null }
  const drains = [{ node: unwell.node, left: 1, bytesLeft: 1, waits: 'too few nodes' }]
  const nodes = [unwell, view('anchor-2', null, { reasons: [peer] }), silent]
  const { needs } = clusterStatus({ ...well, nodes, maintenance, drains })
  assert.deepEqual(
    needs.map(({ about, reason, command }) => `${about ?? ''}|${reason}|${command ?? ''}`),
    [
      '|no node leads: nothing is repaired or moved|anchorage admin cluster-presences',
      'anchor-1|its reconciler stopped before removing 250 pins|anchorage admin reconcile anchor-1 --confirm',
      'anchor-1|kubo: it is unavailable|',
      'anchor-3|silent for 90 s: start it, or forget it for good|anchorage admin forget anchor-3',
      '|maintenance is on until it is switched off (switches)|anchorage admin maintenance off',
    ],
  )
})

test('a waiting drain and a paused plan need a person; a plan that waits for its turn does not', () => {
  const drains = [{ node: two.node, left: 1, bytesLeft: 1, waits: 'too few nodes' }]
  const [paused, next] = [planView('paused'), planView('applying')]
  const { needs } = clusterStatus({ ...well, drains, plans: [paused, next] })
  assert.deepEqual(
    needs.map(({ about, command }) => [about, command]),
    [
      ['anchor-2', 'anchorage admin nodes anchor-2'],
      [paused.plan.id, `anchorage admin rebalance --resume ${paused.plan.id}`],
    ],
  )
})

function planView(state: PlanState): PlanView {
  const moves = { moves: 1, done: 0, moving: 0, skipped: 0 }
  const sizes = { bytes: 1, bytesDone: 0, bytesArrived: 0, bytesSkipped: 0 }
  const plan = { id: mintId('pln'), actor: 'me', summary: {}, state, createdAt: new Date(0) }
  return { plan: { ...plan, ...moves, ...sizes }, waits: 'its turn' }
}

function view(name: string, leads: number | null, said: Partial<NodeReport> = {}): NodeView {
  return {
    node: fakeNode({ name }),
    placements: 0,
    bytes: 0,
    leads,
    reportedAt: null,
    report: fakeReport(said),
  }
}

function content(cid: string, wanted: number, ...copies: Copy[]) {
  return { cid, wanted, dagSize: 1, copies }
}

function copy({ node }: NodeView, state: Copy['state']): Copy {
  return { nodeId: node.id, generation: 1, state, errorCode: null, lost: false, leaving: false }
}

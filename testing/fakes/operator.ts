/** Fake use cases for the tests of the operators' routes: a cluster of two nodes in memory, which records what it was asked and by whom. */
import type { AuditEntry } from '../../src/core/audit.ts'
import type { ClusterStatus } from '../../src/core/cluster-status.ts'
import type { DrainView } from '../../src/core/drain.ts'
import { AnchorageError } from '../../src/core/errors.ts'
import { mintId } from '../../src/core/ids.ts'
import type { Maintenance } from '../../src/core/maintenance.ts'
import type { NodeReport } from '../../src/core/node-report.ts'
import type { NodeView } from '../../src/core/node-statuses.ts'
import type { Node } from '../../src/core/node.ts'
import type { OperatorUseCases } from '../../src/core/operators.ts'
import type { Plan, PlannedMove, PlanView } from '../../src/core/plan.ts'

const cid = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'

export interface FakeOperator extends OperatorUseCases {
  kept: { nodes: Node[]; plans: Plan[]; maintenance: Maintenance | null; entries: AuditEntry[] }
  calls: { name: string; arguments: unknown[] }[]
}

export function fakeOperator(): FakeOperator {
  const kept: FakeOperator['kept'] = {
    nodes: [aNode('anchor-1'), aNode('anchor-2')],
    plans: [],
    maintenance: null,
    entries: [anEntry('node.drain'), anEntry('pin.create')],
  }
  const calls: FakeOperator['calls'] = []
  const noted: Noted =
    (name, work) =>
    async (...given) => {
      calls.push({ name, arguments: given })
      return work(...given)
    }
  return {
    kept,
    calls,
    ...fakeNodes(kept, noted),
    ...fakeMaintenance(kept, noted),
    ...fakePlans(kept, noted),
    status: noted('status', () => statusOf(kept)),
    audit: noted('audit', ({ limit }) => kept.entries.slice(0, limit)),
    pruneDenylist: noted('pruneDenylist', () => 0),
  }
}

type Noted = <A extends unknown[], R>(name: string, work: (...given: A) => R) => (...given: A) => Promise<R>
type Kept = FakeOperator['kept']

function fakeNodes(kept: Kept, noted: Noted) {
  const find = (given: string): Node => {
    const node = kept.nodes.find(({ id, name }) => id === given || name === given)
    if (node === undefined) throw new AnchorageError('not_found', 'there is no such node')
    return node
  }
  return {
    nodes: noted('nodes', () => kept.nodes.map(viewOf)),
    statuses: noted('statuses', () => kept.nodes.map(viewOf)),
    node: noted('node', (given: string) => viewOf(find(given))),
    drain: noted('drain', (given: string, _actor: string) =>
      drainOf(Object.assign(find(given), { state: 'draining' })),
    ),
    drainOf: noted('drainOf', (given: string) => drainOf(find(given))),
    uncordon: noted('uncordon', (given: string, _actor: string): Node =>
      Object.assign(find(given), { state: 'active' }),
    ),
    forget: noted('forget', find),
    lossOf: noted('lossOf', (_given: string) => ({ contents: 0, pins: 0, orgs: 0, bytes: 0 })),
    async *lostContents(_given: string) {},
    confirmReconcile: noted('confirmReconcile', (given: string) => viewOf(find(given))),
  }
}

function fakeMaintenance(kept: Kept, noted: Noted) {
  const begin = ({ reason, ttlMs }: { reason: string; ttlMs: number | null }, actor: string): Maintenance => {
    const since = new Date(Date.UTC(2026, 0, 1))
    const until = ttlMs === null ? null : new Date(since.getTime() + ttlMs)
    kept.maintenance = { reason, actor, since, until }
    return kept.maintenance
  }
  return {
    maintenance: noted('maintenance', () => kept.maintenance),
    beginMaintenance: noted('beginMaintenance', begin),
    endMaintenance: noted('endMaintenance', () => {
      const was = kept.maintenance
      kept.maintenance = null
      return was
    }),
  }
}

function fakePlans(kept: Kept, noted: Noted) {
  const find = (id: string): Plan => {
    const plan = kept.plans.find((each) => each.id === id)
    if (plan === undefined) throw new AnchorageError('not_found', 'there is no such plan')
    return plan
  }
  const become = (id: string, state: Plan['state']): PlanView => {
    const plan = find(id)
    if (plan.state === 'cancelled') throw new AnchorageError('conflict', 'the plan is cancelled')
    plan.state = state
    return viewOfPlan(plan, state === 'paused' ? 'the plan is paused' : null)
  }
  const moves = (id: string, after: number, limit: number): PlannedMove[] => {
    const numbers = [1, 2, 3].filter((number) => number > after && find(id))
    return numbers.map((number) => aMove(number, kept.nodes)).slice(0, limit)
  }
  return {
    makePlan: noted('makePlan', (actor: string) => {
      const plan = aPlan(actor)
      kept.plans.unshift(plan)
      return plan
    }),
    plans: noted('plans', (limit: number) => kept.plans.slice(0, limit)),
    plan: noted('plan', (id: string): PlanView => viewOfPlan(find(id), null)),
    moves: noted('moves', moves),
    async *allMoves(id: string) {
      yield moves(id, 0, 1000)
    },
    applyPlan: noted('applyPlan', (id: string) => become(id, 'applying')),
    pausePlan: noted('pausePlan', (id: string) => become(id, 'paused')),
    cancelPlan: noted('cancelPlan', (id: string) => become(id, 'cancelled')),
  }
}

function aNode(name: string): Node {
  return {
    id: mintId('nod'),
    name,
    zone: name === 'anchor-1' ? 'a' : null,
    multiaddrs: [],
    capacityBytes: 2 ** 40,
    usedBytes: null,
    state: 'active',
    live: true,
    silentMs: 1234,
    unable: null,
    down: false,
  }
}

function statusOf({ nodes, maintenance, plans }: Kept): ClusterStatus {
  return {
    nodes: nodes.map(viewOf),
    maintenance,
    pins: { queued: 1, pinning: 2, pinned: 3, failed: 4 },
    work: { queued: 5, pinning: 6, unpinning: 7 },
    drains: nodes.map((node) => ({ node, left: 3, bytesLeft: 300, waits: 'too few nodes' })),
    plans: plans.map((plan) => viewOfPlan(plan, 'the plan is paused')),
    copies: { nodeDown: 8, repairing: 9, failed: 10 },
    unsettled: 11,
    short: [{ cid, wanted: 3, pinned: 1 }],
    needs: [
      { about: 'anchor-1', reason: 'its reconciler stopped', command: 'anchorage admin reconcile anchor-1' },
      { about: null, reason: 'no node leads', command: null },
    ],
  }
}

/** The first node leads and has reported; the other has not reported yet. */
function viewOf(node: Node): NodeView {
  const isFirst = node.zone !== null
  return {
    node,
    placements: 3,
    bytes: 2 ** 33,
    report: isFirst ? aReport() : null,
    reportedAt: isFirst ? new Date(Date.UTC(2026, 0, 1)) : null,
    leads: isFirst ? 7 : null,
  }
}

function aReport(): NodeReport {
  return {
    version: '1.2.3',
    leader: { epoch: 7 },
    heard: { nod_gone: 900 },
    caches: { nodes: { size: 2, hits: 10, misses: 1, invalidations: 3, flushes: 1, version: 4 } },
    workers: [
      { name: 'repair', endedAtMs: Date.UTC(2026, 0, 1), tookMs: 1.5, failures: 0, report: { added: 2 } },
      { name: 'prune', endedAtMs: null, tookMs: null, failures: 1, report: null },
    ],
    pinning: { underWay: 3 },
    reasons: [{ what: 'nats', reason: 'it is away' }],
    reconcileBlocked: 120,
  }
}

function drainOf(node: Node): DrainView {
  return { node, left: 4, moving: 2, waiting: 1, removing: 1, bytesLeft: 300, waits: null }
}

function aPlan(actor: string): Plan {
  return {
    id: mintId('pln'),
    actor,
    summary: { tolerancePercent: 5 },
    state: 'planned',
    createdAt: new Date(Date.UTC(2026, 0, 1)),
    moves: 3,
    bytes: 30,
    done: 0,
    skipped: 0,
    bytesDone: 0,
    bytesSkipped: 0,
  }
}

function viewOfPlan(plan: Plan, waits: string | null): PlanView {
  return { plan: { ...plan, moving: 0, bytesArrived: 0 }, waits }
}

function aMove(number: number, [first, second]: Node[]): PlannedMove {
  const [from, to] = [first?.id ?? mintId('nod'), second?.id ?? mintId('nod')]
  return {
    number,
    cid,
    from,
    to,
    bytes: 10,
    reason: 'it holds more than its share',
    state: 'planned',
    note: null,
  }
}

function anEntry(action: string): AuditEntry {
  const orgId = action === 'pin.create' ? mintId('org') : null
  const at = new Date(Date.UTC(2026, 0, 1))
  return { id: mintId('aud'), at, orgId, actor: 'operator', action, target: 'x', details: { reason: 'new' } }
}

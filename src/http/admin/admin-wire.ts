/** Converts what operators see to JSON, both for HTTP and for `--json`. */
import type { AuditEntry as CoreAuditEntry } from '../../core/audit.ts'
import type { CacheStats } from '../../core/cache-stats.ts'
import type { ClusterStatus } from '../../core/cluster-status.ts'
import type { DrainView } from '../../core/drain.ts'
import type { Maintenance } from '../../core/maintenance.ts'
import type { NodeReport } from '../../core/node-report.ts'
import type { NodeStatus, NodeView } from '../../core/node-statuses.ts'
import type { Node } from '../../core/node.ts'
import type { Plan, PlannedMove, PlanView } from '../../core/plan.ts'
import type {
  AdminNode,
  AdminNodeInFull,
  AdminPlan,
  AuditEntry,
  Drain,
  MaintenanceStatus,
  NodeCaches,
  PlanMove,
  PlanProgress,
  Presence,
  Status,
} from './schema.ts'

/** The short form of a node, for lists. */
export function nodeWire({ node, placements, bytes, report, reportedAt, leads }: NodeView): AdminNode {
  return {
    id: node.id,
    name: node.name,
    zone: node.zone,
    state: node.state,
    live: node.live,
    silentMs: node.silentMs,
    unable: node.unable,
    leads,
    placements,
    placementBytes: bytes,
    usedBytes: node.usedBytes,
    capacityBytes: node.capacityBytes,
    multiaddrs: node.multiaddrs,
    version: report?.version ?? null,
    reasons: report?.reasons ?? [],
    reportedAt: instant(reportedAt),
  }
}

export function nodeInFullWire(view: NodeView, drain: DrainView | null): AdminNodeInFull {
  const { report } = view
  return {
    ...nodeWire(view),
    drain: drain === null ? null : drainWire(drain),
    workers: (report?.workers ?? []).map(workerWire),
    caches: cachesOf(report),
    pinning: report?.pinning ?? null,
    reconcileBlocked: report?.reconcileBlocked ?? null,
  }
}

export function drainWire({ node, left, moving, waiting, removing, bytesLeft, waits }: DrainView): Drain {
  return { ...nameOf(node), state: node.state, left, moving, waiting, removing, bytesLeft, waits }
}

export function maintenanceWire(maintenance: Maintenance | null): MaintenanceStatus {
  return {
    on: maintenance !== null,
    reason: maintenance?.reason ?? null,
    actor: maintenance?.actor ?? null,
    since: instant(maintenance?.since ?? null),
    until: instant(maintenance?.until ?? null),
  }
}

export function planWire({ createdAt, ...plan }: Plan): AdminPlan {
  const { id, state, actor, moves, bytes, done, skipped, bytesDone, bytesSkipped, summary } = plan
  const figures = { moves, bytes, done, skipped, bytesDone, bytesSkipped }
  return { id, state, actor, createdAt: createdAt.toISOString(), ...figures, summary }
}

export function planProgressWire({ plan, waits }: PlanView): PlanProgress {
  const { moving, bytesArrived } = plan
  return { ...planWire(plan), moving, bytesArrived, waits }
}

export function moveWire({ number, cid, from, to, bytes, reason, state, note }: PlannedMove): PlanMove {
  return { number, cid, from, to, bytes, reason, state, note }
}

export function statusWire(status: ClusterStatus): Status {
  const { nodes, maintenance, drains, plans, pins, work, copies, unsettled, short, needs } = status
  return {
    nodes: nodes.map(nodeWire),
    maintenance: maintenanceWire(maintenance),
    pins,
    work,
    drains: drains.map(({ node, left, bytesLeft, waits }) => ({ ...nameOf(node), left, bytesLeft, waits })),
    plans: plans.map(planProgressWire),
    copies,
    unsettled,
    short,
    needs,
  }
}

/** Which nodes each node hears. A node that is heard but has no row in Postgres is named by its id. */
export function presencesWire(views: NodeStatus[]): Presence[] {
  const names = new Map(views.map(({ node }) => [String(node.id), node.name]))
  return views.map(({ node, report, reportedAt, leads }) => ({
    ...nameOf(node),
    live: node.live,
    silentMs: node.silentMs,
    leads,
    reportedAt: instant(reportedAt),
    heard: Object.entries(report?.heard ?? {}).map(([id, agoMs]) => ({
      id,
      name: names.get(id) ?? id,
      agoMs: Math.max(0, Math.round(agoMs)),
    })),
    reasons: report?.reasons ?? [],
  }))
}

export function nodeCachesWire({ node, report, reportedAt }: NodeStatus): NodeCaches {
  return { ...nameOf(node), reportedAt: instant(reportedAt), caches: cachesOf(report) }
}

export function auditWire({ id, at, orgId, actor, action, target, details }: CoreAuditEntry): AuditEntry {
  return { id, at: at.toISOString(), orgId, actor, action, target, details }
}

function nameOf({ id, name }: Node): { id: string; name: string } {
  return { id, name }
}

function workerWire({ name, endedAtMs, tookMs, failures, report }: NodeReport['workers'][number]) {
  return {
    name,
    endedAt: endedAtMs === null ? null : new Date(endedAtMs).toISOString(),
    tookMs,
    failures,
    report,
  }
}

function cachesOf(report: NodeReport | null): (CacheStats & { cache: string })[] {
  return Object.entries(report?.caches ?? {}).map(([cache, stats]) => ({ cache, ...stats }))
}

function instant(date: Date | null): string | null {
  return date === null ? null : date.toISOString()
}

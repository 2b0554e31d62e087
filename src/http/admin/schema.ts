/** The schemas of what operators see: the answers of `/v1/admin`, and what `--json` of the operators' verbs prints. */
import Type from 'typebox'
import type { Static } from 'typebox'
import { abilities, nodeStates } from '../../core/node.ts'
import { moveStates, planStates } from '../../core/plan.ts'
import { count, instant, nullable, text } from '../schema-words.ts'
import { named, ref } from '../spec/schema.ts'

const nodeId = (description: string) =>
  Type.String({ description, examples: ['nod_01h455vb4pex5vsknk084sn02q'] })

const NodeName = { id: nodeId('The TypeID of the node'), name: text('Its `node.name`') }
const NodeState = Type.Enum([...nodeStates], {
  type: 'string',
  description: 'active; draining: its copies move to other nodes; drained: it has no copies left',
})
const Leads = nullable(count('Its epoch if it is the leader; null if it is not'))
const ReportedAt = nullable(instant('When the node last reported its state; null before its first report'))
const Live = Type.Boolean({ description: 'Whether the node was seen recently' })
const Unable = nullable(
  Type.Object(
    {
      what: Type.Enum([...abilities], {
        type: 'string',
        description: 'What it does not reach: its Kubo, or Postgres',
      }),
      forMs: count('Milliseconds since it last could work'),
      reason: Type.String(),
    },
    { description: 'Why the node cannot pin and serve content; null while it can' },
  ),
)
const SilentMs = count('Milliseconds since the node last wrote to Postgres')
const Reasons = Type.Array(Type.Object({ what: Type.String(), reason: Type.String() }), {
  description: 'The degraded parts of the node',
})

const nodeProperties = {
  ...NodeName,
  zone: nullable(text('The zone of the node; copies are spread over zones')),
  state: NodeState,
  live: Live,
  silentMs: SilentMs,
  unable: Unable,
  leads: Leads,
  placements: count(
    'Placements on this node in Postgres: contents that are pinned there, are to be pinned there, or are ' +
      'being removed',
  ),
  placementBytes: count('The bytes of the placements that are pinned'),
  usedBytes: nullable(count('The bytes that its Kubo uses on disk')),
  capacityBytes: nullable(count('The bytes that its Kubo may use')),
  multiaddrs: Type.Array(Type.String(), { description: 'The addresses of its Kubo' }),
  version: nullable(text('The version of anchorage that it runs')),
  reasons: Reasons,
  reportedAt: ReportedAt,
}

export const AdminNode = named('Node', Type.Object(nodeProperties, { description: 'A node of the cluster' }))

const Worker = Type.Object({
  name: Type.String(),
  endedAt: nullable(instant('When its last run ended')),
  tookMs: nullable(Type.Number({ description: 'How long the last run took' })),
  failures: count('Failures in a row'),
  report: Type.Unsafe<object | null>({ type: ['object', 'null'], additionalProperties: true }),
})

export const Drain = named(
  'Drain',
  Type.Object(
    {
      ...NodeName,
      state: NodeState,
      left: count('Placements still on the node'),
      moving: count('Of `left`: placements whose content is being copied to another node'),
      waiting: count(
        'Of `left`: placements that the leader has not looked at yet, or that no other node can take',
      ),
      removing: count(
        'Of `left`: placements that the node is unpinning. `left` is `moving` + `waiting` + `removing`',
      ),
      bytesLeft: count('Bytes still on the node, as far as the sizes are known'),
      waits: nullable(text('Why it does not continue by itself, in words')),
    },
    { description: 'The progress of a node’s drain' },
  ),
)

const Cache = Type.Object({
  cache: Type.String(),
  size: count('Entries'),
  hits: count('Answers from memory'),
  misses: count('Answers from Postgres'),
  invalidations: count('Invalidations received from other nodes'),
  flushes: count('How often the cache was emptied after a reconnection'),
  version: count('The newest version that the cache knows'),
})

export const AdminNodeInFull = named(
  'NodeInFull',
  Type.Object(
    {
      ...nodeProperties,
      drain: Type.Union([ref(Drain), Type.Null()]),
      workers: Type.Array(Worker, { description: 'The last run of each of its workers' }),
      caches: Type.Array(Cache),
      pinning: Type.Unsafe<object | null>({ type: ['object', 'null'], additionalProperties: true }),
      reconcileBlocked: nullable(
        count('Pins that its reconciler removes only after an operator confirms it'),
      ),
    },
    { description: 'A node, with the last report of its state' },
  ),
)

export const MaintenanceStatus = named(
  'Maintenance',
  Type.Object(
    {
      on: Type.Boolean(),
      reason: nullable(Type.String()),
      actor: nullable(text('Who switched maintenance on')),
      since: nullable(instant('When')),
      until: nullable(instant('When it ends by itself; null: it lasts until it is switched off')),
    },
    {
      description: 'While maintenance is on, nothing is repaired, moved or requeued; the API serves as usual',
    },
  ),
)

export const AdminPlan = named(
  'Plan',
  Type.Object(
    {
      id: Type.String({ examples: ['pln_01h455vb4pex5vsknk084sn02q'] }),
      state: Type.Enum([...planStates], { type: 'string' }),
      actor: text('Who made the plan'),
      createdAt: instant('When'),
      moves: count('How many moves it has'),
      bytes: count('The bytes of all moves'),
      done: count('Moves that are done'),
      skipped: count('Moves that no longer apply, each with a note that says why'),
      bytesDone: count('Bytes of the moves that are done'),
      bytesSkipped: count('Bytes of the moves that no longer apply'),
      summary: Type.Unsafe<Record<string, unknown>>({
        type: 'object',
        additionalProperties: true,
        description: 'A summary for people',
      }),
    },
    { description: 'A saved list of moves that even out the nodes' },
  ),
)

export const PlanProgress = named(
  'PlanProgress',
  Type.Object({
    ...AdminPlan.properties,
    moving: count('Moves that are under way'),
    bytesArrived: count('Bytes that have arrived of the moves that are under way'),
    waits: nullable(text('Why it does not continue by itself, in words')),
  }),
)

export const PlanMove = named(
  'PlanMove',
  Type.Object({
    number: count('The position in the plan, from 1; use it to read the next page'),
    cid: Type.String(),
    from: nodeId('The node that loses the copy'),
    to: nodeId('The node that gets the copy'),
    bytes: count('The bytes of the content'),
    reason: Type.String(),
    state: Type.Enum([...moveStates], { type: 'string' }),
    note: nullable(text('Why the move was skipped')),
  }),
)

export const Status = named(
  'ClusterStatus',
  Type.Object(
    {
      nodes: Type.Array(ref(AdminNode)),
      maintenance: ref(MaintenanceStatus),
      pins: Type.Object({
        queued: count('Waiting pins of all orgs'),
        pinning: count('Pins under way'),
        pinned: count('Pins that are pinned'),
        failed: count('Pins that failed'),
      }),
      work: Type.Object({
        queued: count('Placements that wait to be pinned'),
        pinning: count('Placements that are being pinned'),
        unpinning: count('Placements that wait to be unpinned'),
      }),
      drains: Type.Array(
        Type.Object({
          ...NodeName,
          left: count('Placements still on the node'),
          bytesLeft: count('Bytes still on the node'),
          waits: nullable(text('Why it does not continue by itself, in words')),
        }),
      ),
      plans: Type.Array(ref(PlanProgress), {
        description: 'Plans that are being carried out, and paused plans',
      }),
      copies: Type.Object(
        {
          nodeDown: count('Copies on nodes that are down'),
          repairing: count('Copies that are being replaced'),
          failed: count('Copies that could not be replaced'),
        },
        { description: 'The missing copies' },
      ),
      unsettled: count('Contents that the repair worker has yet to look at, counted up to 100,000'),
      short: Type.Array(
        Type.Object({
          cid: Type.String(),
          wanted: count('The copies that its pins ask for'),
          pinned: count('The copies that are pinned on live nodes'),
        }),
        { description: 'The first few contents that lack copies' },
      ),
      needs: Type.Array(
        Type.Object({
          about: nullable(text('The node or plan that has the problem; null: the cluster')),
          reason: text('What is wrong'),
          command: nullable(text('A command that fixes the problem or shows more about it')),
        }),
        { description: 'What an operator must do, worst problem first' },
      ),
    },
    { description: 'The whole cluster at a glance' },
  ),
)

export const Presence = named(
  'Presence',
  Type.Object(
    {
      ...NodeName,
      live: Live,
      silentMs: SilentMs,
      leads: Leads,
      reportedAt: ReportedAt,
      heard: Type.Array(
        Type.Object({ ...NodeName, agoMs: count('Milliseconds from its last heartbeat to the report') }),
        {
          description: 'The heartbeats that this node hears',
        },
      ),
      reasons: Reasons,
    },
    { description: 'The nodes that a node hears' },
  ),
)

export const NodeCaches = named(
  'NodeCaches',
  Type.Object({ ...NodeName, reportedAt: ReportedAt, caches: Type.Array(Cache) }),
)

export const AuditEntry = named(
  'AuditEntry',
  Type.Object({
    id: Type.String(),
    at: instant('When'),
    orgId: nullable(text('The org; null if the entry belongs to no org')),
    actor: text('Who did it: a token, an operator or a node'),
    action: Type.String({ examples: ['pin.create', 'placement.add', 'node.drain'] }),
    target: text('The object that was changed'),
    details: Type.Unknown(),
  }),
)

/** The schemas that have a name in the OpenAPI document. */
export const namedAdminSchemas = [
  AdminNode,
  AdminNodeInFull,
  Drain,
  MaintenanceStatus,
  AdminPlan,
  PlanProgress,
  PlanMove,
  Status,
  Presence,
  NodeCaches,
  AuditEntry,
]

export type AdminNode = Static<typeof AdminNode>
export type AdminNodeInFull = Static<typeof AdminNodeInFull>
export type Drain = Static<typeof Drain>
export type MaintenanceStatus = Static<typeof MaintenanceStatus>
export type AdminPlan = Static<typeof AdminPlan>
export type PlanProgress = Static<typeof PlanProgress>
export type PlanMove = Static<typeof PlanMove>
export type Status = Static<typeof Status>
export type Presence = Static<typeof Presence>
export type NodeCaches = Static<typeof NodeCaches>
export type AuditEntry = Static<typeof AuditEntry>

/** The schemas of what operators see: the answers of `/v1/admin`, and what `--json` of the operators' verbs prints. */
import Type from 'typebox'
import type { Static } from 'typebox'
import { nodeStates } from '../../core/node.ts'
import { moveStates, planStates } from '../../core/plan.ts'
import { count, instant, nullable, text } from '../schema-words.ts'
import { named, ref } from '../spec/schema.ts'

const nodeId = (description: string) =>
  Type.String({ description, examples: ['nod_01h455vb4pex5vsknk084sn02q'] })

const NodeName = { id: nodeId('The TypeID of the node'), name: text('Its `node.name`') }
const NodeState = Type.Enum([...nodeStates], {
  type: 'string',
  description: 'active; draining: what it has goes to others; drained: it has nothing left',
})
const Leads = nullable(count('The epoch under which it leads; null when it does not'))
const ReportedAt = nullable(instant('When it last reported of itself; null before it ever did'))
const Live = Type.Boolean({ description: 'A sign of it is fresh' })
const SilentMs = count('Since its last sign in Postgres')
const Reasons = Type.Array(Type.Object({ what: Type.String(), reason: Type.String() }), {
  description: 'What is not at its best',
})

const nodeProperties = {
  ...NodeName,
  zone: nullable(text('Where it stands; copies are spread over zones')),
  state: NodeState,
  live: Live,
  silentMs: SilentMs,
  leads: Leads,
  placements: count(
    'Placements there by the book: contents that lie or are to lie there, or are being removed',
  ),
  placementBytes: count('The bytes of those that stand'),
  usedBytes: nullable(count('What its Kubo uses on disk')),
  capacityBytes: nullable(count('What its Kubo may use')),
  multiaddrs: Type.Array(Type.String(), { description: 'Where its Kubo is reached' }),
  version: nullable(text('The version of anchorage that it runs')),
  reasons: Reasons,
  reportedAt: ReportedAt,
}

export const AdminNode = named('Node', Type.Object(nodeProperties, { description: 'A node of the cluster' }))

const Worker = Type.Object({
  name: Type.String(),
  endedAt: nullable(instant('When its last run ended')),
  tookMs: nullable(Type.Number({ description: 'How long that took' })),
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
      moving: count('Of these, whose copy elsewhere is under way'),
      waiting: count('Of these, that the leader is yet to look at, or that have no other place to go to'),
      removing: count('Of these, that the node is unpinning; left is the sum of the three'),
      bytesLeft: count('Bytes still on the node, as far as known'),
      waits: nullable(text('Why it does not go on by itself, in words')),
    },
    { description: 'How far the drain of a node is' },
  ),
)

const Cache = Type.Object({
  cache: Type.String(),
  size: count('Entries'),
  hits: count('Answers from memory'),
  misses: count('Answers from Postgres'),
  invalidations: count('Invalidations heard from other nodes'),
  flushes: count('Times that it was emptied after a reconnection'),
  version: count('The newest version that it knows of'),
})

export const AdminNodeInFull = named(
  'NodeInFull',
  Type.Object(
    {
      ...nodeProperties,
      drain: Type.Union([ref(Drain), Type.Null()]),
      workers: Type.Array(Worker, { description: 'How each of its workers fared last' }),
      caches: Type.Array(Cache),
      pinning: Type.Unsafe<object | null>({ type: ['object', 'null'], additionalProperties: true }),
      reconcileBlocked: nullable(
        count('Pins that its reconciler will not remove before an operator confirms it'),
      ),
    },
    { description: 'A node, with its last report of itself' },
  ),
)

export const MaintenanceStatus = named(
  'Maintenance',
  Type.Object(
    {
      on: Type.Boolean(),
      reason: nullable(Type.String()),
      actor: nullable(text('Who switched it on')),
      since: nullable(instant('When')),
      until: nullable(instant('When it ends by itself; null: when it is switched off')),
    },
    { description: 'While it is on, nothing is repaired, moved or requeued; the API serves' },
  ),
)

export const AdminPlan = named(
  'Plan',
  Type.Object(
    {
      id: Type.String({ examples: ['pln_01h455vb4pex5vsknk084sn02q'] }),
      state: Type.Enum([...planStates], { type: 'string' }),
      actor: text('Who made it'),
      createdAt: instant('When'),
      moves: count('How many moves it has'),
      bytes: count('What they carry'),
      done: count('Moves that are done'),
      skipped: count('Moves that no longer fit, each with its note'),
      bytesDone: count('Bytes of the moves that are done'),
      bytesSkipped: count('Bytes of the moves that no longer fit'),
      summary: Type.Unsafe<Record<string, unknown>>({
        type: 'object',
        additionalProperties: true,
        description: 'What it is made of: for people',
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
    bytesArrived: count('What has arrived of those under way'),
    waits: nullable(text('Why it does not go on by itself, in words')),
  }),
)

export const PlanMove = named(
  'PlanMove',
  Type.Object({
    number: count('Its place in the plan, from 1; pages are made with it'),
    cid: Type.String(),
    from: nodeId('The node that gives it up'),
    to: nodeId('The node that gets it'),
    bytes: count('What it carries'),
    reason: Type.String(),
    state: Type.Enum([...moveStates], { type: 'string' }),
    note: nullable(text('Why it was skipped')),
  }),
)

export const Status = named(
  'ClusterStatus',
  Type.Object(
    {
      nodes: Type.Array(ref(AdminNode)),
      maintenance: ref(MaintenanceStatus),
      pins: Type.Object({
        queued: count('Pins of all orgs that wait'),
        pinning: count('Pins under way'),
        pinned: count('Pins that stand'),
        failed: count('Pins that could not be had'),
      }),
      work: Type.Object({
        queued: count('Placements that wait'),
        pinning: count('Placements under way'),
        unpinning: count('Placements that are to be removed'),
      }),
      drains: Type.Array(
        Type.Object({
          ...NodeName,
          left: count('Placements still on the node'),
          bytesLeft: count('Bytes still on the node'),
          waits: nullable(text('Why it does not go on by itself, in words')),
        }),
      ),
      plans: Type.Array(ref(PlanProgress), { description: 'Those that are carried out or paused' }),
      copies: Type.Object(
        {
          nodeDown: count('Stand on nodes that give no sign'),
          repairing: count('Are made anew'),
          failed: count('Could not be made anew'),
        },
        { description: 'Copies that are missing' },
      ),
      unsettled: count('Contents that repair is to look at, counted up to 100,000'),
      short: Type.Array(
        Type.Object({
          cid: Type.String(),
          wanted: count('Copies that its pins want'),
          pinned: count('Copies that are pinned on live nodes'),
        }),
        { description: 'The first few contents that are short of copies' },
      ),
      needs: Type.Array(
        Type.Object({
          about: nullable(text('The node or plan; null: the cluster')),
          reason: text('What is wrong'),
          command: nullable(text('A command that mends or shows it')),
        }),
        { description: 'What a person is to see to, worst first' },
      ),
    },
    { description: 'The whole cluster in one look' },
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
        Type.Object({ ...NodeName, agoMs: count('When it was last heard, before the report') }),
        {
          description: 'The heartbeats that this node hears',
        },
      ),
      reasons: Reasons,
    },
    { description: 'Whom a node hears' },
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
    orgId: nullable(text('The org whose it is; null: nobody’s')),
    actor: text('Who did it: a token, an operator, a node'),
    action: Type.String({ examples: ['pin.create', 'placement.add', 'node.drain'] }),
    target: text('What it was done to'),
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

/** The input and the answers of each route of `/v1/admin`. All need a token with the scope `cluster:admin`. */
import Type from 'typebox'
import { Org } from '../orgs/schema.ts'
import { Failure, ref } from '../spec/schema.ts'
import {
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

const tags = ['admin']
const failures = { '4xx': ref(Failure), '5xx': ref(Failure) }
const nodeParams = Type.Object({
  id: Type.String({ description: 'The TypeID of a node, or its name', examples: ['anchor-1'] }),
})
const planParams = Type.Object({
  id: Type.String({ description: 'The TypeID of a plan', examples: ['pln_01h455vb4pex5vsknk084sn02q'] }),
})
const orgParams = Type.Object({
  org: Type.String({ description: 'The TypeID of an org, or its slug', examples: ['acme'] }),
})
const limit = (fallback: number) =>
  Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: fallback,
      description: 'At most so many',
      examples: [10],
    }),
  )

export const listNodes = {
  operationId: 'listNodes',
  summary: 'List the nodes',
  tags,
  response: { 200: Type.Object({ results: Type.Array(ref(AdminNode)) }), ...failures },
}

export const getNode = {
  operationId: 'getNode',
  summary: 'See a node in full, and how far its drain is',
  tags,
  params: nodeParams,
  response: { 200: ref(AdminNodeInFull), ...failures },
}

export const drainNode = {
  operationId: 'drainNode',
  summary: 'Drain a node: it takes no new content, and what it has goes to others',
  description:
    'Answers at once; `GET /v1/admin/nodes/{id}` tells how far it is. No copy is given up before another one stands. Repeating it changes nothing.',
  tags,
  params: nodeParams,
  response: { 202: ref(Drain), ...failures },
}

export const uncordonNode = {
  operationId: 'uncordonNode',
  summary: 'Let a drained or draining node take new content again',
  description: 'What was moved stays where it is.',
  tags,
  params: nodeParams,
  response: { 200: ref(AdminNodeInFull), ...failures },
}

export const getMaintenance = {
  operationId: 'getMaintenance',
  summary: 'Whether maintenance is on',
  tags,
  response: { 200: ref(MaintenanceStatus), ...failures },
}

export const beginMaintenance = {
  operationId: 'beginMaintenance',
  summary: 'Switch maintenance on, or replace its reason and end',
  tags,
  body: Type.Object(
    {
      reason: Type.String({ minLength: 1, maxLength: 500, description: 'Why: everybody who looks sees it' }),
      ttlSeconds: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 31_536_000,
          description: 'It ends by itself after so long; without it, when it is switched off',
        }),
      ),
    },
    { examples: [{ reason: 'new switches', ttlSeconds: 3600 }] },
  ),
  response: { 200: ref(MaintenanceStatus), ...failures },
}

export const endMaintenance = {
  operationId: 'endMaintenance',
  summary: 'Switch maintenance off',
  description: 'Repeating it changes nothing.',
  tags,
  response: { 200: ref(MaintenanceStatus), ...failures },
}

export const suspendOrg = {
  operationId: 'suspendOrg',
  summary: 'Suspend an org, or replace the reason',
  description:
    'On every node within two seconds its tokens and sessions get 403 with the reason. What it waits for is put by, unless others want it too; what is pinned stays, and counts. 409 while it is being removed. A token of the org itself is refused from then on: `anchorage admin resume-org` undoes it.',
  tags,
  params: orgParams,
  body: Type.Object(
    {
      reason: Type.String({
        minLength: 1,
        maxLength: 500,
        description: 'Why: whoever is refused is told it',
      }),
    },
    { examples: [{ reason: 'reported for abuse' }] },
  ),
  response: { 200: ref(Org), ...failures },
}

export const resumeOrg = {
  operationId: 'resumeOrg',
  summary: 'Serve a suspended org again',
  description:
    'What was put by is worked on again. Repeating it changes nothing. 409 while it is being removed.',
  tags,
  params: orgParams,
  response: { 200: ref(Org), ...failures },
}

export const removeOrg = {
  operationId: 'removeOrg',
  summary: 'Remove an org with its pins, tokens and members, for good',
  description:
    'Answers at once; it is suspended from now on, `GET /v1/orgs/{org}/usage` tells what is left of it, and 404 that it is gone. Content that others want stays with all of its copies; the org’s audit stays. Repeating it changes nothing.',
  tags,
  params: orgParams,
  body: Type.Object(
    { confirm: Type.String({ description: 'The slug of the org, so that no other is meant' }) },
    { examples: [{ confirm: 'acme' }] },
  ),
  response: { 202: ref(Org), ...failures },
}

export const makePlan = {
  operationId: 'makePlan',
  summary: 'Make a plan of moves that even out the nodes',
  description: 'The plan is saved; nothing moves until it is applied.',
  tags,
  response: { 201: ref(AdminPlan), ...failures },
}

export const listPlans = {
  operationId: 'listPlans',
  summary: 'List plans, newest first',
  tags,
  querystring: Type.Object({ limit: limit(20) }),
  response: { 200: Type.Object({ results: Type.Array(ref(AdminPlan)) }), ...failures },
}

export const getPlan = {
  operationId: 'getPlan',
  summary: 'See a plan, how far it is, and its moves',
  description:
    'Pages of moves are made with `afterNumber`: give the `number` of the last move of the page before.',
  tags,
  params: planParams,
  querystring: Type.Object({
    afterNumber: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 2_147_483_647,
        default: 0,
        description: 'Moves after this number',
        examples: [100],
      }),
    ),
    limit: limit(100),
  }),
  response: {
    200: Type.Object({ plan: ref(PlanProgress), moves: Type.Array(ref(PlanMove)) }),
    ...failures,
  },
}

const changePlan = (operationId: string, summary: string, description: string) => ({
  operationId,
  summary,
  description,
  tags,
  params: planParams,
  response: { 200: ref(PlanProgress), ...failures },
})

export const applyPlan = changePlan(
  'applyPlan',
  'Carry a plan out, or go on with one that was paused',
  'The leader begins a few moves at a time, exactly those of the plan. 409 when it is over or cancelled.',
)
export const pausePlan = changePlan(
  'pausePlan',
  'Pause a plan',
  'No further move is begun; those under way end.',
)
export const cancelPlan = changePlan(
  'cancelPlan',
  'Cancel a plan for good',
  'No further move is begun; those under way end.',
)

export const getStatus = {
  operationId: 'getClusterStatus',
  summary: 'The whole cluster in one look: nodes, what waits, what is short of copies, what needs a person',
  description: 'As cheap however many pins there are.',
  tags,
  response: { 200: ref(Status), ...failures },
}

export const listPresences = {
  operationId: 'listPresences',
  summary: 'Which nodes hear which',
  tags,
  response: { 200: Type.Object({ results: Type.Array(ref(Presence)) }), ...failures },
}

export const listCaches = {
  operationId: 'listCaches',
  summary: 'How the caches of each node fare',
  tags,
  response: { 200: Type.Object({ results: Type.Array(ref(NodeCaches)) }), ...failures },
}

export const listAudit = {
  operationId: 'listAudit',
  summary: 'Read the audit log',
  description:
    'Newest first. With `after`, the entries after that one, oldest first: give the `at` and `id` of the last one of the page before, as `at,id`.',
  tags,
  querystring: Type.Object({
    org: Type.Optional(
      Type.String({
        description: 'Only this org’s: its TypeID',
        examples: ['org_01h455vb4pex5vsknk084sn02q'],
      }),
    ),
    after: Type.Optional(
      Type.String({
        description: 'The entry to go on after',
        examples: ['2026-01-31T12:00:00.000Z,aud_01h455vb4pex5vsknk084sn02q'],
      }),
    ),
    limit: limit(100),
  }),
  response: { 200: Type.Object({ results: Type.Array(ref(AuditEntry)) }), ...failures },
}

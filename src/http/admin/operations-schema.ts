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
      description: 'At most this many results',
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
  summary: 'See a node in full, with the progress of its drain',
  tags,
  params: nodeParams,
  response: { 200: ref(AdminNodeInFull), ...failures },
}

export const drainNode = {
  operationId: 'drainNode',
  summary: 'Drain a node: it takes no new content, and its copies move to other nodes',
  description:
    'Answers at once; `GET /v1/admin/nodes/{id}` shows the progress. No copy is removed before another ' +
    'node has pinned the content. Repeating the request changes nothing.',
  tags,
  params: nodeParams,
  response: { 202: ref(Drain), ...failures },
}

export const uncordonNode = {
  operationId: 'uncordonNode',
  summary: 'Let a drained or draining node take new content again',
  description: 'Copies that have already moved do not move back.',
  tags,
  params: nodeParams,
  response: { 200: ref(AdminNodeInFull), ...failures },
}

export const getMaintenance = {
  operationId: 'getMaintenance',
  summary: 'See whether maintenance is on',
  tags,
  response: { 200: ref(MaintenanceStatus), ...failures },
}

export const beginMaintenance = {
  operationId: 'beginMaintenance',
  summary: 'Switch maintenance on, or replace its reason and end',
  tags,
  body: Type.Object(
    {
      reason: Type.String({
        minLength: 1,
        maxLength: 500,
        description: 'The reason, shown to everyone who looks at the maintenance',
      }),
      ttlSeconds: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 31_536_000,
          description:
            'Maintenance ends by itself after this long. Without a value it lasts until it is switched off.',
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
  description: 'Repeating the request changes nothing.',
  tags,
  response: { 200: ref(MaintenanceStatus), ...failures },
}

export const suspendOrg = {
  operationId: 'suspendOrg',
  summary: 'Suspend an org, or replace the reason',
  description:
    'Within two seconds every node answers the org’s tokens and sessions with 403 and the reason. Its ' +
    'waiting pins are paused, unless another org wants the same content. Its finished pins stay pinned, ' +
    'and count. 409 while the org is being removed. If the org suspends itself with its own token, that ' +
    'token is refused too: `anchorage admin resume-org` ends the suspension.',
  tags,
  params: orgParams,
  body: Type.Object(
    {
      reason: Type.String({
        minLength: 1,
        maxLength: 500,
        description: 'The reason, shown to clients that are refused',
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
    'Work continues on the pins that were paused. Repeating the request changes nothing. 409 while the ' +
    'org is being removed.',
  tags,
  params: orgParams,
  response: { 200: ref(Org), ...failures },
}

export const removeOrg = {
  operationId: 'removeOrg',
  summary: 'Remove an org with its pins, tokens and members, for good',
  description:
    'Answers at once. The org is suspended from now on; `GET /v1/orgs/{org}/usage` shows how much of it ' +
    'is left, and answers 404 when it is gone. Content that another org wants keeps all of its copies. ' +
    'The org’s audit is kept. Repeating the request changes nothing.',
  tags,
  params: orgParams,
  body: Type.Object(
    { confirm: Type.String({ description: 'The slug of the org, to confirm that it is the right one' }) },
    { examples: [{ confirm: 'acme' }] },
  ),
  response: { 202: ref(Org), ...failures },
}

export const makePlan = {
  operationId: 'makePlan',
  summary: 'Make a plan of moves that even out the nodes',
  description: 'The plan is saved. Nothing moves until the plan is applied.',
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
  summary: 'See a plan, its progress and its moves',
  description: 'For the next page of moves, set `afterNumber` to the `number` of the last move of this page.',
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
  'Carry out a plan, or continue a paused one',
  'The leader starts a few moves at a time, and no moves that are not in the plan. 409 when the plan is ' +
    'finished or cancelled.',
)
export const pausePlan = changePlan(
  'pausePlan',
  'Pause a plan',
  'No further move starts; moves that are under way finish.',
)
export const cancelPlan = changePlan(
  'cancelPlan',
  'Cancel a plan for good',
  'No further move starts; moves that are under way finish.',
)

export const getStatus = {
  operationId: 'getClusterStatus',
  summary:
    'See the whole cluster at a glance: nodes, waiting work, contents that lack copies, and what an ' +
    'operator must do',
  description: 'The cost does not grow with the number of pins.',
  tags,
  response: { 200: ref(Status), ...failures },
}

export const listPresences = {
  operationId: 'listPresences',
  summary: 'See which nodes hear each other',
  tags,
  response: { 200: Type.Object({ results: Type.Array(ref(Presence)) }), ...failures },
}

export const listCaches = {
  operationId: 'listCaches',
  summary: 'See the counters of the caches of each node',
  tags,
  response: { 200: Type.Object({ results: Type.Array(ref(NodeCaches)) }), ...failures },
}

export const listAudit = {
  operationId: 'listAudit',
  summary: 'Read the audit log',
  description:
    'Newest first. With `after`, the entries after that one, oldest first: give the `at` and `id` of the last entry of this page, as `at,id`.',
  tags,
  querystring: Type.Object({
    org: Type.Optional(
      Type.String({
        description: 'The TypeID of an org: list only its entries',
        examples: ['org_01h455vb4pex5vsknk084sn02q'],
      }),
    ),
    after: Type.Optional(
      Type.String({
        description: 'List the entries after this one',
        examples: ['2026-01-31T12:00:00.000Z,aud_01h455vb4pex5vsknk084sn02q'],
      }),
    ),
    limit: limit(100),
  }),
  response: { 200: Type.Object({ results: Type.Array(ref(AuditEntry)) }), ...failures },
}

/** The input and the answers of each route of `/v1/orgs`. */
import Type from 'typebox'
import { slugForm } from '../../core/org.ts'
import { AuditEntry } from '../admin/schema.ts'
import { Failure, ref } from '../spec/schema.ts'
import { ListedOrg, Member, Org, OrgChange, Role, Usage } from './schema.ts'

const tags = ['orgs']
const failures = { '4xx': ref(Failure), '5xx': ref(Failure) }
const org = Type.String({ description: 'The TypeID of an org, or its slug', examples: ['acme'] })
const user = Type.String({
  description: 'The TypeID of a user; a person gets it at the first login',
  examples: ['usr_01h455vb4pex5vsknk084sn02q'],
})
const orgParams = Type.Object({ org })
const memberParams = Type.Object({ org, user })
const limit = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: 1000,
    default: 100,
    description: 'At most this many results',
    examples: [20],
  }),
)
const foreign = 'The answer for an org that you have no access to is the same as for one that does not exist.'

export const listOrgs = {
  operationId: 'listOrgs',
  summary: 'List the orgs that you have access to',
  description:
    'For a person: the orgs that they are a member of. For a token: its own org. With `cluster:admin`: ' +
    'all orgs. Ordered by slug; use `after` for the next page.',
  tags,
  querystring: Type.Object({
    after: Type.Optional(
      Type.String({
        pattern: slugForm.source,
        description: 'List the orgs after this slug',
        examples: ['acme'],
      }),
    ),
    limit,
  }),
  response: { 200: Type.Object({ results: Type.Array(ref(ListedOrg)) }), ...failures },
}

export const createOrg = {
  operationId: 'createOrg',
  summary: 'Make an org',
  description: 'Needs `cluster:admin`. 409 when the slug is taken.',
  tags,
  body: Type.Object(
    {
      slug: Type.String({
        pattern: slugForm.source,
        description: 'The name of the org: at most 63 characters of a to z, 0 to 9 and inner hyphens',
      }),
      ...OrgChange.properties,
    },
    { examples: [{ slug: 'acme', maxPins: 100_000 }] },
  ),
  response: { 201: ref(Org), ...failures },
}

export const getOrg = {
  operationId: 'getOrg',
  summary: 'See an org and its limits',
  description: foreign,
  tags,
  params: orgParams,
  response: { 200: ref(Org), ...failures },
}

export const setOrgLimits = {
  operationId: 'setOrgLimits',
  summary: 'Change the limits of an org',
  description:
    'Needs `cluster:admin`. A limit that is left out does not change; null removes a limit. An org that ' +
    'exceeds a new limit keeps what it has, but gets no more.',
  tags,
  params: orgParams,
  body: OrgChange,
  response: { 200: ref(Org), ...failures },
}

export const getOrgUsage = {
  operationId: 'getOrgUsage',
  summary: 'See the usage of an org',
  description: foreign,
  tags,
  params: orgParams,
  response: { 200: ref(Usage), ...failures },
}

export const listMembers = {
  operationId: 'listMembers',
  summary: 'List the members of an org',
  description: foreign,
  tags,
  params: orgParams,
  response: { 200: Type.Object({ results: Type.Array(ref(Member)) }), ...failures },
}

export const setMember = {
  operationId: 'setMember',
  summary: 'Make a person a member, or change a member’s role',
  description:
    'Needs `org:admin`; only an owner, or `cluster:admin`, can make and change owners. Tokens of this ' +
    'person that allow more than the new role are revoked. 409 for the last owner.',
  tags,
  params: memberParams,
  body: Type.Object({ role: ref(Role) }, { examples: [{ role: 'member' }] }),
  response: { 200: ref(Member), ...failures },
}

export const removeMember = {
  operationId: 'removeMember',
  summary: 'Remove a member, or leave',
  description:
    'Needs `org:admin`, and the role owner to remove an owner; every member may leave. The tokens that ' +
    'the person made are revoked. 409 for the last owner.',
  tags,
  params: memberParams,
  response: { 204: Type.Null({ description: 'The person is not a member any more' }), ...failures },
}

export const listOrgAudit = {
  operationId: 'listOrgAudit',
  summary: 'Read the audit of an org: what was done, and by whom',
  description:
    'Needs `org:admin`. Newest first. With `before`, the entries before that one: give the `at` and ' +
    '`id` of the last entry of this page, as `at,id`.',
  tags,
  params: orgParams,
  querystring: Type.Object({
    before: Type.Optional(
      Type.String({
        description: 'List the entries before this one',
        examples: ['2026-01-31T12:00:00.000Z,aud_01h455vb4pex5vsknk084sn02q'],
      }),
    ),
    limit,
  }),
  response: { 200: Type.Object({ results: Type.Array(ref(AuditEntry)) }), ...failures },
}

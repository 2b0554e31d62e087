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
  description: 'The TypeID of a user; known once the person has logged in',
  examples: ['usr_01h455vb4pex5vsknk084sn02q'],
})
const orgParams = Type.Object({ org })
const memberParams = Type.Object({ org, user })
const limit = Type.Optional(
  Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'At most so many', examples: [20] }),
)
const foreign = 'An org that you do not speak for is answered as one that does not exist.'

export const listOrgs = {
  operationId: 'listOrgs',
  summary: 'List the orgs that you speak for',
  description:
    'A person: those it is a member of. A token: its own. With `cluster:admin`: all. In the order of slugs; `after` makes pages.',
  tags,
  querystring: Type.Object({
    after: Type.Optional(
      Type.String({ pattern: slugForm.source, description: 'The slug to go on after', examples: ['acme'] }),
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
        description: 'How it is named: at most 63 of a to z, 0 to 9 and inner hyphens',
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
  summary: 'Change what an org may have',
  description:
    'Needs `cluster:admin`. What is left out stays, null lifts a limit. What the org has beyond a new limit it keeps, but it gets no more.',
  tags,
  params: orgParams,
  body: OrgChange,
  response: { 200: ref(Org), ...failures },
}

export const getOrgUsage = {
  operationId: 'getOrgUsage',
  summary: 'See what an org has',
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
  summary: 'Make somebody a member, or give a member another role',
  description:
    'Needs `org:admin`; only an owner, or `cluster:admin`, makes and changes owners. Tokens that the person made beyond the new role end. 409 for the last owner.',
  tags,
  params: memberParams,
  body: Type.Object({ role: ref(Role) }, { examples: [{ role: 'member' }] }),
  response: { 200: ref(Member), ...failures },
}

export const removeMember = {
  operationId: 'removeMember',
  summary: 'Remove a member, or leave',
  description:
    'Needs `org:admin`, and an owner for owners; anybody may remove itself. Tokens that the person made end. 409 for the last owner.',
  tags,
  params: memberParams,
  response: { 204: Type.Null({ description: 'It is no member any more' }), ...failures },
}

export const listOrgAudit = {
  operationId: 'listOrgAudit',
  summary: 'Read what was done in an org, and by whom',
  description:
    'Needs `org:admin`. Newest first. With `before`, those before that one: give the `at` and `id` of the last one of the page before, as `at,id`.',
  tags,
  params: orgParams,
  querystring: Type.Object({
    before: Type.Optional(
      Type.String({
        description: 'The entry to go on from',
        examples: ['2026-01-31T12:00:00.000Z,aud_01h455vb4pex5vsknk084sn02q'],
      }),
    ),
    limit,
  }),
  response: { 200: Type.Object({ results: Type.Array(ref(AuditEntry)) }), ...failures },
}

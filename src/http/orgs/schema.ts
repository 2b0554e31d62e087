/** The schemas of orgs, their members and usage: the answers of `/v1/orgs`, and what `--json` of the verbs about orgs prints. */
import Type from 'typebox'
import type { Static } from 'typebox'
import { roles } from '../../core/org.ts'
import { pinStatuses, type PinStatus } from '../../core/pin.ts'
import { maxReplicas } from '../../core/replicas.ts'
import { count, instant, nullable, text } from '../schema-words.ts'
import { named, ref } from '../spec/schema.ts'

const replicas = (description: string) => Type.Integer({ minimum: 1, maximum: maxReplicas, description })
const bound = (description: string) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })

const limits = {
  maxPins: nullable(bound('Pins, whatever their status; null: no limit')),
  maxBytes: nullable(
    bound('Bytes of the DAGs of its pins, each once a copy, and of what is under way; null: no limit'),
  ),
  maxReplicas: nullable(replicas('Copies that one of its pins may ask for; null: no limit')),
}
const defaultReplicas = nullable(
  replicas('Copies for pins that say nothing; null: as many as is usual in the cluster'),
)

export const OrgLimits = named(
  'OrgLimits',
  Type.Object(limits, { description: 'What an org may have at most' }),
)

/** A change of the limits; those left out stay. */
export const OrgChange = Type.Object(
  {
    maxPins: Type.Optional(limits.maxPins),
    maxBytes: Type.Optional(limits.maxBytes),
    maxReplicas: Type.Optional(limits.maxReplicas),
    defaultReplicas: Type.Optional(defaultReplicas),
  },
  { examples: [{ maxPins: 100_000, maxBytes: null }] },
)

export const Role = named(
  'Role',
  Type.Enum([...roles], {
    type: 'string',
    description:
      'viewer: reads pins; member: pins, and makes tokens; admin: also members, all tokens and the audit; owner: also other owners',
  }),
)

export const Suspension = named(
  'Suspension',
  Type.Object(
    { reason: text('As the operator gave it; told to whoever is refused'), since: instant('Since when') },
    { description: 'An operator stopped the org' },
  ),
)

const orgProperties = {
  id: Type.String({ examples: ['org_01h455vb4pex5vsknk084sn02q'] }),
  slug: Type.String({ examples: ['acme'] }),
  limits: ref(OrgLimits),
  defaultReplicas,
  createdAt: instant('When it was made'),
  suspended: Type.Union([ref(Suspension), Type.Null()], {
    description: 'Its requests are refused and its work is put by; null: it is served',
  }),
  removingSince: nullable(instant('Since when it is being removed, for good; null: it is not')),
}

export const Org = named('Org', Type.Object(orgProperties, { description: 'A tenant' }))

const pinCounts = Type.Unsafe<Record<PinStatus, number>>(
  Type.Object(Object.fromEntries(pinStatuses.map((status) => [status, count(`Pins that are ${status}`)]))),
)

export const Usage = named(
  'Usage',
  Type.Object(
    { pins: pinCounts, bytes: count('Of its pins whose size is known') },
    { description: 'What an org has, exact at one moment' },
  ),
)

export const ListedOrg = named(
  'ListedOrg',
  Type.Object({
    ...orgProperties,
    usage: ref(Usage),
    role: Type.Union([ref(Role), Type.Null()], { description: 'What you are in it, if a member' }),
  }),
)

export const Member = named(
  'Member',
  Type.Object(
    {
      id: Type.String({ examples: ['usr_01h455vb4pex5vsknk084sn02q'] }),
      name: nullable(text('As the identity provider said at the last login')),
      email: nullable(text('Likewise')),
      role: ref(Role),
      source: Type.Enum(['login', 'manual'], {
        type: 'string',
        description:
          'login: by a group of the identity provider, worked out anew at each login; manual: by somebody here',
      }),
      since: instant('Since when'),
    },
    { description: 'A person in an org' },
  ),
)

/** The schemas that have a name in the OpenAPI document. */
export const namedOrgSchemas = [OrgLimits, Role, Suspension, Org, Usage, ListedOrg, Member]

export type Org = Static<typeof Org>
export type OrgChange = Static<typeof OrgChange>
export type Usage = Static<typeof Usage>
export type ListedOrg = Static<typeof ListedOrg>
export type Member = Static<typeof Member>

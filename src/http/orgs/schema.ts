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
  maxPins: nullable(bound('Pins in any status; null: no limit')),
  maxBytes: nullable(
    bound(
      'Bytes of the DAGs of its pins, counted once for each copy, and of pins that are under way; null: ' +
        'no limit',
    ),
  ),
  maxReplicas: nullable(replicas('Copies that one of its pins may ask for; null: no limit')),
}
const defaultReplicas = nullable(
  replicas('Copies for pins that do not set a number; null: the default of the cluster'),
)

export const OrgLimits = named('OrgLimits', Type.Object(limits, { description: 'The limits of an org' }))

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
      'viewer: reads pins; member: also adds and removes pins and makes tokens; admin: also manages ' +
      'members and all tokens, and reads the audit; owner: also manages owners',
  }),
)

export const Suspension = named(
  'Suspension',
  Type.Object(
    {
      reason: text('The reason that the operator gave; shown to clients that are refused'),
      since: instant('Since when'),
    },
    { description: 'The suspension of the org by an operator' },
  ),
)

const orgProperties = {
  id: Type.String({ examples: ['org_01h455vb4pex5vsknk084sn02q'] }),
  slug: Type.String({ examples: ['acme'] }),
  limits: ref(OrgLimits),
  defaultReplicas,
  createdAt: instant('When the org was made'),
  suspended: Type.Union([ref(Suspension), Type.Null()], {
    description: 'The suspension: requests are refused and work is paused; null: the org is not suspended',
  }),
  removingSince: nullable(instant('When its removal began; null: the org is not being removed')),
}

export const Org = named('Org', Type.Object(orgProperties, { description: 'A tenant' }))

const pinCounts = Type.Unsafe<Record<PinStatus, number>>(
  Type.Object(Object.fromEntries(pinStatuses.map((status) => [status, count(`Pins that are ${status}`)]))),
)

export const Usage = named(
  'Usage',
  Type.Object(
    { pins: pinCounts, bytes: count('The bytes of its pins whose size is known') },
    { description: 'The usage of an org, exact at one moment' },
  ),
)

export const ListedOrg = named(
  'ListedOrg',
  Type.Object({
    ...orgProperties,
    usage: ref(Usage),
    role: Type.Union([ref(Role), Type.Null()], {
      description: 'Your role in the org; missing if you are not a member',
    }),
  }),
)

export const Member = named(
  'Member',
  Type.Object(
    {
      id: Type.String({ examples: ['usr_01h455vb4pex5vsknk084sn02q'] }),
      name: nullable(text('The value that the identity provider gave at the last login')),
      email: nullable(text('Likewise')),
      role: ref(Role),
      source: Type.Enum(['login', 'manual'], {
        type: 'string',
        description:
          'login: from a group of the identity provider, decided again at each login; manual: set by a ' +
          'member or an operator',
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

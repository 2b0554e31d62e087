/**
 * The objects of the Pinning Services API 1.0.0. They validate requests, serialise responses and make the OpenAPI document;
 * `schema.test.ts` compares them with the published spec. Unlisted properties of a request are ignored.
 */
import Type from 'typebox'
import type { Static, TSchema } from 'typebox'
import { maxOriginLength } from '../../core/origin.ts'
import { nameMatches, pinStatuses } from '../../core/pin.ts'

/** No CID is longer. Base58 decodes in quadratic time, so the bound is also a defence. */
export const maxCidLength = 512
export const maxNameLength = 255
/** Far more than any node announces. */
export const maxOriginsSent = 1000
export const maxMetaKeys = 1000
/** CIDs in a filter, as in the spec. */
export const maxCids = 10
/** Pins on a page, as in the spec. */
export const maxPage = 1000
/** Pairs in a filter: each costs a look-up for every pin that the other filters match. */
export const maxMetaPairs = 10

interface Named {
  $id: string
}

/** `schema` with its name in `components/schemas` of the document. */
export function named<S extends TSchema>($id: string, schema: S): S & Named {
  return Object.assign(schema, { $id })
}

/** A named schema, by reference. */
export function ref<S extends TSchema>(schema: S & Named) {
  return Type.Unsafe<Static<S>>({ $ref: `${schema.$id}#` })
}

/** Not `Type.Record`, whose pattern `.*` does not match keys with a line break. */
function stringMap(options: {
  description: string
  examples: Record<string, string>[]
  maxProperties?: number
  'x-consume'?: string
}) {
  const additionalProperties = { type: 'string' }
  return Type.Unsafe<Record<string, string>>({
    type: 'object',
    additionalProperties,
    maxProperties: maxMetaKeys,
    ...options,
  })
}

export const PinMeta = named(
  'PinMeta',
  stringMap({
    description:
      'Metadata of a pin; lists can be filtered by it. One key has a meaning: `anchorage.replicas` is ' +
      'the number of nodes that pin the content, "1" to "100". Without it, the default of your org ' +
      'applies. A pin is accepted even while there are fewer nodes; the missing copies are made later.',
    examples: [{ app_id: '99986338-1113-4706-8302-4420da6158aa' }, { 'anchorage.replicas': '2' }],
  }),
)

export const StatusInfo = named(
  'StatusInfo',
  stringMap({
    description:
      'More about the status: `status_details` in words; `replicas`, the number of copies that the ' +
      'pin asks for; and, where they apply, `copies` (each node that has or gets a copy, and its ' +
      'state), `error_code`, `attempts`, `next_retry`, `blocks`, `bytes` and `dag_size`. The ' +
      'answer to a new pin may have `origins_passed_over`',
    examples: [
      {
        status_details: 'fetching: 12 blocks, 3145728 bytes so far; 1 of 2 copies pinned',
        replicas: '2',
        copies: 'node-1 pinned, node-3 pinning',
        blocks: '12',
        bytes: '3145728',
      },
    ],
  }),
)

export const Status = named(
  'Status',
  Type.Enum([...pinStatuses], {
    type: 'string',
    description:
      'queued: it waits; pinning: it is being fetched; pinned: it is stored; failed: anchorage gave up, ' +
      '`info` says why',
  }),
)

export const TextMatchingStrategy = named(
  'TextMatchingStrategy',
  Type.Enum([...nameMatches], {
    type: 'string',
    default: 'exact',
    examples: ['ipartial'],
    description:
      'How `name` is compared: with the whole name or a part of it; strategies that begin with i ignore ' +
      'case',
  }),
)

export const Origins = named(
  'Origins',
  Type.Array(Type.String({ maxLength: maxOriginLength }), {
    minItems: 0,
    maxItems: maxOriginsSent,
    description:
      'Multiaddrs known to provide the content, each ending in /p2p/PEERID. The first 20 usable ones are ' +
      'kept and tried. The pin is accepted even if others are not usable; `info.origins_passed_over` of ' +
      'the answer lists those. An entry that does not begin with a slash is refused.',
    examples: [['/ip4/203.0.113.142/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA']],
  }),
)

export const Delegates = named(
  'Delegates',
  Type.Array(Type.String(), {
    uniqueItems: true,
    minItems: 1,
    maxItems: 20,
    description: 'Multiaddrs of the nodes that fetch the content: connect to them if you have the content',
  }),
)

export const Pin = named(
  'Pin',
  Type.Object(
    {
      cid: Type.String({
        maxLength: maxCidLength,
        description: 'The CID to pin, with everything that it links to',
      }),
      name: Type.Optional(Type.String({ maxLength: maxNameLength, description: 'A name for searches' })),
      origins: Type.Optional(ref(Origins)),
      meta: Type.Optional(ref(PinMeta)),
    },
    { description: 'The pin that a client asks for', examples: [{ cid: 'bafkqaaa', name: 'empty.txt' }] },
  ),
)

export const PinStatus = named(
  'PinStatus',
  Type.Object(
    {
      requestid: Type.String({ description: 'The id of this pin' }),
      status: ref(Status),
      created: Type.String({
        format: 'date-time',
        description: 'Unique in your org; use it to read the next page',
      }),
      pin: ref(Pin),
      delegates: ref(Delegates),
      info: Type.Optional(ref(StatusInfo)),
    },
    { description: 'A pin and its status' },
  ),
)

export const PinResults = named(
  'PinResults',
  Type.Object(
    {
      count: Type.Integer({ format: 'int32', minimum: 0, description: 'How many pins match in total' }),
      results: Type.Array(ref(PinStatus), { uniqueItems: true, minItems: 0, maxItems: maxPage }),
    },
    { description: 'One page, newest first' },
  ),
)

export const Failure = named(
  'Failure',
  Type.Object(
    {
      error: Type.Object({
        reason: Type.String({ description: 'For programs: BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, …' }),
        details: Type.Optional(Type.String({ description: 'For people: what is wrong, and what to do' })),
      }),
    },
    { description: 'Every answer with a status of 400 or above' },
  ),
)

/** The filters of a list, as `read-query.ts` parses them. `style` and `explode` say how they are encoded. */
export const ListQuery = Type.Object(
  {
    cid: Type.Optional(
      Type.Array(Type.String({ maxLength: maxCidLength }), {
        uniqueItems: true,
        minItems: 1,
        maxItems: maxCids,
        description: 'Pins with these CIDs',
        examples: [['bafkqaaa', 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy']],
      }),
    ),
    name: Type.Optional(
      Type.String({
        maxLength: maxNameLength,
        description: 'Pins with this name; see match',
        examples: ['empty.txt'],
      }),
    ),
    match: Type.Optional(ref(TextMatchingStrategy)),
    status: Type.Optional(
      Type.Array(ref(Status), {
        uniqueItems: true,
        minItems: 1,
        description:
          'Pins with these statuses; if none of `status`, `cid`, `name` and `meta` is given, only ' +
          'pinned ones',
        examples: [['queued', 'pinning', 'failed']],
      }),
    ),
    before: Type.Optional(
      Type.String({
        format: 'date-time',
        description: 'Pins created before (not at) this instant',
        examples: ['2026-01-31T12:00:00.000Z'],
      }),
    ),
    after: Type.Optional(
      Type.String({
        format: 'date-time',
        description: 'Pins created after (not at) this instant',
        examples: ['2026-01-31T12:00:00.000Z'],
      }),
    ),
    limit: Type.Optional(
      Type.Integer({
        format: 'int32',
        minimum: 1,
        maximum: maxPage,
        default: 10,
        description: 'At most this many results',
        examples: [100],
      }),
    ),
    meta: Type.Optional(
      stringMap({
        maxProperties: maxMetaPairs,
        'x-consume': 'application/json',
        description:
          'Pins with all of these pairs: a JSON object of strings, such as {"app_id":"x"}; {} matches every pin',
        // The docs page fills its field with this, so that a first try finds something.
        examples: [{}],
      }),
    ),
  },
  { style: 'form', explode: false },
)

/** The schemas that have a name in the OpenAPI document. */
export const namedSchemas = [
  Pin,
  PinStatus,
  PinResults,
  PinMeta,
  StatusInfo,
  Status,
  TextMatchingStrategy,
  Origins,
  Delegates,
  Failure,
]

export type Pin = Static<typeof Pin>
export type PinStatus = Static<typeof PinStatus>
export type PinResults = Static<typeof PinResults>
export type Failure = Static<typeof Failure>
export type ListQuery = Static<typeof ListQuery>

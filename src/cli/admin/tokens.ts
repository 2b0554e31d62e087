import type { TokenView } from '../../core/token.ts'
import { tokenWire } from '../../http/tokens/token-wire.ts'
import { wholeNumberOf } from '../arguments.ts'
import { tableOf } from '../display.ts'
import { stateIn } from '../paint.ts'
import type { Column } from '../table.ts'
import { operatorVerb } from './operator-verb.ts'

const columns: readonly Column[] = [
  { head: 'TOKEN', rank: 1 },
  { head: 'NAME', rank: 2, least: 10 },
  { head: 'SCOPES', rank: 4, least: 12 },
  { head: 'CREATED BY', rank: 6 },
  {
    head: 'STATE',
    rank: 1,
    colour: stateIn,
    means:
      'until when the token is valid, or why it ended: it was revoked, it expired, or its signing key was retired (rotate-key --end-tokens)',
  },
  { head: 'LAST USED', rank: 5 },
]

/** Lists tokens. */
export const command = operatorVerb(
  {
    about:
      'Lists the access tokens of an org, newest first, without their secrets. anchorage admin revoke-token TOKEN revokes one.',
    columns,
    json: '{"results":[…]}.',
    examples: ['admin tokens acme'],
  },
  (bare) =>
    bare
      .argument('<ORG>', 'slug or id of the org')
      .option('--limit <N>', 'at most this many, up to 1000', wholeNumberOf('--limit', 1, 1000), 100),
  ([org], { limit }, io) =>
    ({ orgs, principal, store, show }) =>
      show({
        read: async () => await store.orgs.tokens((await orgs.get(principal, org)).id, limit),
        json: (tokens) => ({ results: tokens.map(tokenWire) }),
        screen: (tokens) =>
          tableOf(
            columns,
            tokens.map(rowOf),
            io,
            `${org} has no tokens; anchorage admin mint-token creates one`,
          ),
      }),
)

function rowOf(token: TokenView): string[] {
  const { id, name, scopes, createdBy, lastUsedAt } = token
  return [
    id,
    name ?? '',
    scopes.join(','),
    createdBy ?? 'operator',
    stateOf(token),
    lastUsedAt?.toISOString() ?? 'never',
  ]
}

/** Includes what ended the token: a token that is neither revoked nor expired may have ended with its signing key. */
function stateOf({ revokedAt, expiresAt, endedBy }: TokenView): string {
  switch (endedBy) {
    case null:
      return `until ${expiresAt.toISOString()}`
    case 'revoked':
      return `revoked ${revokedAt?.toISOString() ?? ''}`
    case 'expired':
      return `expired ${expiresAt.toISOString()}`
    case 'key':
      return 'ended with its signing key'
  }
}

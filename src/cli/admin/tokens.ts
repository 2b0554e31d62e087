import type { TokenView } from '../../core/token.ts'
import { tokenWire } from '../../http/tokens/token-wire.ts'
import { wholeNumberOf } from '../arguments.ts'
import { configuredVerb } from '../config-arguments.ts'
import { display, tableOf } from '../display.ts'
import { page, prose } from '../help.ts'
import { stateIn } from '../paint.ts'
import type { Column } from '../table.ts'
import { withOperator } from './with-operator.ts'

const columns: readonly Column[] = [
  { head: 'TOKEN', rank: 1 },
  { head: 'NAME', rank: 2, least: 10 },
  { head: 'SCOPES', rank: 4, least: 12 },
  { head: 'MADE BY', rank: 6 },
  {
    head: 'STATE',
    rank: 1,
    colour: stateIn,
    means:
      'until when it is good, or what ended it: it was revoked, its time was over, or the key that signed it was retired (rotate-key --end-tokens)',
  },
  { head: 'LAST USED', rank: 5 },
]

/** Lists tokens. */
export const command = configuredVerb(
  (bare) =>
    bare
      .description(
        prose(`Lists the access tokens of an org, newest first; never their secrets. anchorage admin revoke-token TOKEN ends one.
Works on the database of the node's own config, also while no node runs.`),
      )
      .argument('<ORG>', 'a slug or a TypeID')
      .option('--limit <N>', 'at most this many, up to 1000', wholeNumberOf('--limit', 1, 1000), 100)
      .addHelpText('after', page({ columns, json: '{"results":[…]}.', examples: ['admin tokens acme'] })),
  async ([org], { limit }, io, config) =>
    await withOperator(config, io, ({ orgs, principal, store }) =>
      display(
        {
          read: async () => await store.tokens((await orgs.get(principal, org)).id, limit),
          json: (tokens) => ({ results: tokens.map(tokenWire) }),
          screen: (tokens) =>
            tokens.length === 0
              ? { text: '', notes: [`${org} has no tokens; anchorage admin mint-token makes one`] }
              : tableOf(columns, tokens.map(rowOf), io),
        },
        false,
        io,
      ),
    ),
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

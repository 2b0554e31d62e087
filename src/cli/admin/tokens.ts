import type { TokenView } from '../../core/ports.ts'
import { tokenWire } from '../../http/tokens/token-wire.ts'
import { noMore, required, wholeNumberOf } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json, table } from '../print.ts'
import type { Io } from '../verb.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin tokens ORG [--limit N] [--json] [--config FILE] [--OPTION VALUE …]

Lists the access tokens of an org, newest first; never their secrets. ORG is a slug or a TypeID. STATE says until when one is
good, or what ended it: it was revoked, its time was over, or the key that signed it was retired (rotate-key --end-tokens).

--limit  at most this many, up to 1000 (default 100)

--json prints {"results":[…]}. anchorage admin revoke-token TOKEN ends one.
Works on the database of the node's own config, also while no node runs.
`

const options = { limit: { type: 'string' }, json: { type: 'boolean' } } as const

/** Lists tokens. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, options, io)
  const [given, ...more] = positionals
  noMore(more)
  const org = required(given, 'ORG')
  const limit = wholeNumberOf(values.limit ?? '100', '--limit', 1, 1000)
  const tokens = await withOperator(config, io, async ({ orgs, asker, store }) => {
    const { id } = await orgs.get(asker, org)
    return await store.tokens(id, limit)
  })
  if (values.json) return io.out(json({ results: tokens.map(tokenWire) }))
  if (tokens.length === 0) return io.err(`${org} has no tokens; anchorage admin mint-token makes one\n`)
  io.out(table(['TOKEN', 'NAME', 'SCOPES', 'MADE BY', 'STATE', 'LAST USED'], tokens.map(rowOf)))
}

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

/** Also what it was ended by: a token that nobody revoked and whose time is not over may be over with its key. */
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

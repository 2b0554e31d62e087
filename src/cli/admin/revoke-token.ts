import { parseId, type TokenId } from '../../core/ids.ts'
import { noMore, required } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json } from '../print.ts'
import { WrongUse, type Io } from '../verb.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin revoke-token TOKEN [--json] [--config FILE] [--OPTION VALUE …]

Ends an API token for good. TOKEN is its id, tok_…, as mint-token --json and the audit tell it. Every node refuses it at once, or
within two seconds when it cannot be told.

--json prints {"id","revoked"}. Works on the database of the node's own config, with HTTP and NATS down.
`

/** Revokes a token. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  const [given, ...more] = positionals
  noMore(more)
  const id = tokenIdOf(required(given, 'TOKEN'))
  await withOperator(config, io, ({ revokeToken }) => revokeToken(id))
  io.out(values.json ? json({ id, revoked: true }) : `${id} is revoked\n`)
}

function tokenIdOf(text: string): TokenId {
  try {
    return parseId('tok', text)
  } catch {
    throw new WrongUse("TOKEN is a token's id, of the form tok_…, not the token itself")
  }
}

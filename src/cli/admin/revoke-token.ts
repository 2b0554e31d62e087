import { tokenIdIn } from '../../auth/token-format.ts'
import { parseId, type TokenId } from '../../core/ids.ts'
import { noMore, required } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json } from '../print.ts'
import { secretFrom } from '../standard-input.ts'
import { WrongUse, type Io } from '../verb.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin revoke-token TOKEN [--json] [--config FILE] [--OPTION VALUE …]
       anchorage admin revoke-token - < FILE

Ends an API token for good. TOKEN is its id, tok_…, as mint-token --json, admin tokens and the audit tell it. With - the token itself
is read from standard input: so one that leaked is ended without being seen in the list of processes. Every node refuses it at once,
or within two seconds when it cannot be told.

--json prints {"id","revoked"}. Works on the database of the node's own config, with HTTP and NATS down.
`

/** Revokes a token. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  const [given, ...more] = positionals
  noMore(more)
  const named = required(given, 'TOKEN')
  const id = named === '-' ? idInToken(await secretFrom(io.in ?? process.stdin)) : tokenIdOf(named)
  await withOperator(config, io, ({ revokeToken }) => revokeToken(id))
  io.out(values.json ? json({ id, revoked: true }) : `${id} is revoked\n`)
}

function tokenIdOf(text: string): TokenId {
  try {
    return parseId('tok', text)
  } catch {
    throw new WrongUse(
      tokenIdIn(text) === null
        ? "TOKEN is a token's id, of the form tok_…, or - to read the token itself from standard input"
        : 'this is the token itself, which others may see in the list of processes: give - and the token on standard input',
    )
  }
}

/** An id will do there, too. */
function idInToken(text: string): TokenId {
  const id = text.startsWith('tok_') ? tokenIdOf(text) : tokenIdIn(text)
  if (id === null) throw new WrongUse('what stands on standard input is no token of anchorage')
  return id
}

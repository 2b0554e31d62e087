import { tokenIdIn } from '../../auth/token-format.ts'
import { parseId, type TokenId } from '../../core/ids.ts'
import { json } from '../print.ts'
import { secretFrom } from '../standard-input.ts'
import { WrongUse } from '../verb.ts'
import { operatorVerb } from './operator-verb.ts'

/** Revokes a token. */
export const command = operatorVerb(
  {
    about: `Revokes an API token for good. Every node refuses it at once; a node that cannot be reached refuses it within two
seconds. The command does not ask first, because it ends one token that you name in full, and a leaked token is urgent.`,
    json: '{"id","revoked"}.',
    examples: ['admin revoke-token tok_01h455vb4pex5vsknk084sn02q', 'admin revoke-token - < leaked'],
  },
  (bare) =>
    bare.argument(
      '<TOKEN>',
      'id of the token (tok_…), as mint-token --json, admin tokens and the audit show it. With -, the token itself is read from standard input, so that a leaked token does not appear in the list of processes',
    ),
  async ([named], _options, io) => {
    const id = named === '-' ? idInToken(await secretFrom(io.in ?? process.stdin)) : tokenIdOf(named)
    return async ({ revokeToken }) => {
      await revokeToken(id)
      io.out(io.json ? json({ id, revoked: true }) : `${id} is revoked\n`)
    }
  },
)

function tokenIdOf(text: string): TokenId {
  try {
    return parseId('tok', text)
  } catch {
    throw new WrongUse(
      tokenIdIn(text) === null
        ? 'TOKEN must be the id of a token (tok_…), or - to read the token itself from standard input'
        : 'this is the token itself, which other users may see in the list of processes: give -, and the token on standard input',
    )
  }
}

/** The id of the token on standard input, which may be the token or only its id. */
function idInToken(text: string): TokenId {
  const id = text.startsWith('tok_') ? tokenIdOf(text) : tokenIdIn(text)
  if (id === null) throw new WrongUse('standard input is not a token of anchorage')
  return id
}

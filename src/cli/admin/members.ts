import { memberWire } from '../../http/orgs/org-wire.ts'
import { noMore, required } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json, table } from '../print.ts'
import type { Io } from '../verb.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin members ORG [--json] [--config FILE] [--OPTION VALUE …]

Lists the members of an org. ORG is a slug or a TypeID.

ROLE    viewer, member, admin or owner
SOURCE  login: by a group of the identity provider, worked out anew at each login; manual: by an admin, or set-member

--json prints {"results":[…]}. Works on the database of the node's own config, also while no node runs.
`

/** Lists members. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  const [given, ...more] = positionals
  noMore(more)
  const org = required(given, 'ORG')
  const members = await withOperator(config, io, ({ orgs, asker }) => orgs.members(asker, org))
  if (values.json) return io.out(json({ results: members.map(memberWire) }))
  if (members.length === 0) return io.err(`${org} has no members; anchorage admin set-member makes one\n`)
  const rows = members.map(({ userId, name, email, role, source, since }) => [
    userId,
    name ?? '',
    email ?? '',
    role,
    source,
    since.toISOString(),
  ])
  io.out(table(['USER', 'NAME', 'EMAIL', 'ROLE', 'SOURCE', 'SINCE'], rows))
}

import type { User } from '../../core/org.ts'
import { noMore } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json, table } from '../print.ts'
import type { Io } from '../verb.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin users [--json] [--config FILE] [--OPTION VALUE …]

Lists everybody who has logged in, in the order of their first login. A person is who the issuer says by its subject; name and
email are as they were at the last login.

--json prints {"results":[{"id","issuer","subject","name","email","operator"}]}.
Works on the database of the node's own config, also while no node runs.
`

const page = 1000

/** Lists users. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  noMore(positionals)
  const users = await withOperator(config, io, ({ store }) => all(store.users))
  if (values.json) return io.out(json({ results: users }))
  if (users.length === 0) return io.err('nobody has logged in yet\n')
  const rows = users.map(({ id, name, email, operator, issuer, subject }) => [
    id,
    name ?? '',
    email ?? '',
    operator ? 'yes' : '',
    issuer,
    subject,
  ])
  io.out(table(['USER', 'NAME', 'EMAIL', 'OPERATOR', 'ISSUER', 'SUBJECT'], rows))
}

async function all(read: (afterId: string, limit: number) => Promise<User[]>): Promise<User[]> {
  const found: User[] = []
  for (;;) {
    const next = await read(found.at(-1)?.id ?? '', page)
    found.push(...next)
    if (next.length < page) return found
  }
}

import type { User } from '../../core/org.ts'
import { configuredVerb } from '../config-arguments.ts'
import { display, tableOf } from '../display.ts'
import type { Column } from '../table.ts'
import { withOperator } from './with-operator.ts'

const columns: readonly Column[] = [
  { head: 'USER', rank: 1 },
  { head: 'NAME', rank: 1, least: 10 },
  { head: 'EMAIL', rank: 2, least: 14 },
  { head: 'OPERATOR', rank: 3 },
  { head: 'ISSUER', rank: 5 },
  { head: 'SUBJECT', rank: 4, least: 10 },
]

/** Lists users. */
export const command = configuredVerb(
  {
    about: `Lists everybody who has logged in, in the order of their first login. A person is who the issuer says by its subject; name
and email are as they were at the last login. Works on the database of the node's own config, also while no node runs.`,
    json: '{"results":[{"id","issuer","subject","name","email","operator"}]}.',
    examples: ['admin users'],
  },
  (bare) => bare,
  async (_args, _options, io, config) =>
    await withOperator(config, io, ({ store }) =>
      display(
        {
          read: () => all(store.users),
          json: (users) => ({ results: users }),
          screen(users) {
            if (users.length === 0) return { text: '', notes: ['nobody has logged in yet'] }
            const rows = users.map(({ id, name, email, operator, issuer, subject }) => [
              id,
              name ?? '',
              email ?? '',
              operator ? 'yes' : '',
              issuer,
              subject,
            ])
            return tableOf(columns, rows, io)
          },
        },
        false,
        io,
      ),
    ),
)

const pageSize = 1000

async function all(read: (afterId: string, limit: number) => Promise<User[]>): Promise<User[]> {
  const found: User[] = []
  for (;;) {
    const next = await read(found.at(-1)?.id ?? '', pageSize)
    found.push(...next)
    if (next.length < pageSize) return found
  }
}

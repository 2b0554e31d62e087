import type { User } from '../../core/org.ts'
import { tableOf } from '../display.ts'
import type { Column } from '../table.ts'
import { everyPage } from './every-page.ts'
import { operatorVerb } from './operator-verb.ts'

const columns: readonly Column[] = [
  { head: 'USER', rank: 1 },
  { head: 'NAME', rank: 1, least: 10 },
  { head: 'EMAIL', rank: 2, least: 14 },
  { head: 'OPERATOR', rank: 3 },
  { head: 'ISSUER', rank: 5 },
  { head: 'SUBJECT', rank: 4, least: 10 },
]

/** Lists users. */
export const command = operatorVerb(
  {
    about: `Lists the people who have logged in, in the order of their first login. Issuer and subject identify a person. Name and
email are those of the last login.`,
    json: '{"results":[{"id","issuer","subject","name","email","operator"}]}.',
    examples: ['admin users'],
  },
  (bare) => bare,
  (_args, _options, io) =>
    ({ store, show }) =>
      show({
        read: () => everyPage<User>((last, limit) => store.orgDirectory.users(last?.id ?? '', limit)),
        json: (users) => ({ results: users }),
        screen: (users) => tableOf(columns, users.map(rowOf), io, 'no user has logged in yet'),
      }),
)

function rowOf({ id, name, email, operator, issuer, subject }: User): string[] {
  return [id, name ?? '', email ?? '', operator ? 'yes' : '', issuer, subject]
}

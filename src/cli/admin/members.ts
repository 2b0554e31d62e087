import type { Member } from '../../core/org.ts'
import { memberWire } from '../../http/orgs/org-wire.ts'
import { tableOf } from '../display.ts'
import type { Column } from '../table.ts'
import { operatorVerb } from './operator-verb.ts'

const columns: readonly Column[] = [
  { head: 'USER', rank: 1 },
  { head: 'NAME', rank: 2, least: 10 },
  { head: 'EMAIL', rank: 3, least: 14 },
  { head: 'ROLE', rank: 1, means: 'viewer, member, admin or owner' },
  {
    head: 'SOURCE',
    rank: 4,
    means:
      'login: from a group of the identity provider, updated at each login; manual: set by an admin, or with set-member',
  },
  { head: 'SINCE', rank: 5 },
]

/** Lists members. */
export const command = operatorVerb(
  {
    about: 'Lists the members of an org.',
    columns,
    json: '{"results":[…]}.',
    examples: ['admin members acme'],
  },
  (bare) => bare.argument('<ORG>', 'slug or id of the org'),
  ([org], _options, io) =>
    ({ orgs, principal, show }) =>
      show({
        read: () => orgs.members(principal, org),
        json: (members) => ({ results: members.map(memberWire) }),
        screen: (members) =>
          tableOf(
            columns,
            members.map(rowOf),
            io,
            `${org} has no members; anchorage admin set-member adds one`,
          ),
      }),
)

function rowOf({ userId, name, email, role, source, since }: Member): string[] {
  return [userId, name ?? '', email ?? '', role, source, since.toISOString()]
}

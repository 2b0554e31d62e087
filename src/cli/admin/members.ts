import { memberWire } from '../../http/orgs/org-wire.ts'
import { configuredVerb } from '../config-arguments.ts'
import { display, tableOf } from '../display.ts'
import { page, prose } from '../help.ts'
import type { Column } from '../table.ts'
import { withOperator } from './with-operator.ts'

const columns: readonly Column[] = [
  { head: 'USER', rank: 1 },
  { head: 'NAME', rank: 2, least: 10 },
  { head: 'EMAIL', rank: 3, least: 14 },
  { head: 'ROLE', rank: 1, means: 'viewer, member, admin or owner' },
  {
    head: 'SOURCE',
    rank: 4,
    means:
      'login: by a group of the identity provider, worked out anew at each login; manual: by an admin, or set-member',
  },
  { head: 'SINCE', rank: 5 },
]

/** Lists members. */
export const command = configuredVerb(
  (bare) =>
    bare
      .description(
        prose(
          "Lists the members of an org. Works on the database of the node's own config, also while no node runs.",
        ),
      )
      .argument('<ORG>', 'a slug or a TypeID')
      .addHelpText('after', page({ columns, json: '{"results":[…]}.', examples: ['admin members acme'] })),
  async ([org], _options, io, config) =>
    await withOperator(config, io, ({ orgs, principal }) =>
      display(
        {
          read: () => orgs.members(principal, org),
          json: (members) => ({ results: members.map(memberWire) }),
          screen(members) {
            if (members.length === 0)
              return { text: '', notes: [`${org} has no members; anchorage admin set-member makes one`] }
            const rows = members.map(({ userId, name, email, role, source, since }) => [
              userId,
              name ?? '',
              email ?? '',
              role,
              source,
              since.toISOString(),
            ])
            return tableOf(columns, rows, io)
          },
        },
        false,
        io,
      ),
    ),
)

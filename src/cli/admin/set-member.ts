import { roles } from '../../core/org.ts'
import { memberWire } from '../../http/orgs/org-wire.ts'
import { noMore, required } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json } from '../print.ts'
import { WrongUse, type Io } from '../verb.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin set-member ORG USER ${roles.join('|')}|none [--json] [--config FILE] [--OPTION VALUE …]

Makes somebody a member of an org, gives a member another role, or with none removes it. ORG is a slug or a TypeID, USER a TypeID:
anchorage admin users lists everybody who has logged in. Tokens that the person made beyond the new role end on every node at once, or
within two seconds on those that cannot be told. The last owner of an org stays.

viewer   reads pins
member   pins, and makes tokens
admin    also members, all tokens, and the audit
owner    also other owners

--json prints the member, or {"id","role":null}. Works on the database of the node's own config, with HTTP and NATS down.
`

/** Sets or removes a member. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  const [givenOrg, givenUser, givenRole, ...more] = positionals
  noMore(more)
  const org = required(givenOrg, 'ORG')
  const user = required(givenUser, 'USER')
  const asked = required(givenRole, 'ROLE')
  const role = roles.find((known) => known === asked) ?? null
  if (role === null && asked !== 'none') throw new WrongUse(`a role is one of ${roles.join(', ')}, or none`)
  await withOperator(config, io, async ({ orgs, asker }) => {
    if (role === null) {
      await orgs.removeMember(asker, org, user)
      return io.out(values.json ? json({ id: user, role: null }) : `${user} is no member of ${org}\n`)
    }
    const member = await orgs.setMember(asker, org, user, role)
    io.out(values.json ? json(memberWire(member)) : `${user} is ${role} of ${org}\n`)
  })
}

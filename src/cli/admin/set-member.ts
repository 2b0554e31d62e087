import { roles } from '../../core/org.ts'
import { memberWire } from '../../http/orgs/org-wire.ts'
import { oneOfWords } from '../arguments.ts'
import { configuredVerb } from '../config-arguments.ts'
import { page, prose } from '../help.ts'
import { json } from '../print.ts'
import { withOperator } from './with-operator.ts'

const words = [...roles, 'none'] as const

/** Sets or removes a member. */
export const command = configuredVerb(
  (bare) =>
    bare
      .description(
        prose(`Makes somebody a member of an org, gives a member another role, or with none removes it. Tokens that the person made beyond
the new role end on every node at once, or within two seconds on those that cannot be told. The last owner of an org stays.
Works on the database of the node's own config, with HTTP and NATS down.`),
      )
      .argument('<ORG>', 'a slug or a TypeID')
      .argument('<USER>', 'a TypeID: anchorage admin users lists everybody who has logged in')
      .addArgument(
        bare
          .createArgument('<ROLE>', 'what the person may do there')
          .choices(words)
          .argParser(oneOfWords(words, 'ORG USER')),
      )
      .addHelpText(
        'after',
        page({
          terms: {
            Roles: [
              ['viewer', 'reads pins'],
              ['member', 'pins, and makes tokens'],
              ['admin', 'also members, all tokens, and the audit'],
              ['owner', 'also other owners'],
            ],
          },
          json: 'the member, or {"id","role":null}.',
          examples: ['admin set-member acme usr_01h455vb4pex5vsknk084sn02q admin'],
        }),
      ),
  async ([org, user, role], _options, io, config) =>
    await withOperator(config, io, async ({ orgs, principal }) => {
      if (role === 'none') {
        await orgs.removeMember(principal, org, user)
        return io.out(io.json ? json({ id: user, role: null }) : `${user} is no member of ${org}\n`)
      }
      const member = await orgs.setMember(principal, org, user, role)
      io.out(io.json ? json(memberWire(member)) : `${user} is ${role} of ${org}\n`)
    }),
)

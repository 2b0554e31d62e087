import { roles } from '../../core/org.ts'
import { memberWire } from '../../http/orgs/org-wire.ts'
import { wordArgument } from '../arguments.ts'
import { json } from '../print.ts'
import { operatorVerb } from './operator-verb.ts'

const words = [...roles, 'none'] as const

/** Sets or removes a member. */
export const command = operatorVerb(
  {
    about: `Adds a person to an org, changes the role of a member or, with none, removes a member. Tokens that the person created
and that exceed the new role end at once on every node; on a node that cannot be reached, within two seconds. The last owner of an
org cannot be removed.`,
    terms: {
      Roles: [
        ['viewer', 'reads pins'],
        ['member', 'also adds and removes pins, and creates tokens'],
        ['admin', 'also manages members and all tokens, and reads the audit'],
        ['owner', 'also manages owners'],
      ],
    },
    json: 'the member, or {"id","role":null}.',
    examples: ['admin set-member acme usr_01h455vb4pex5vsknk084sn02q admin'],
  },
  (bare) =>
    bare
      .argument('<ORG>', 'slug or id of the org')
      .argument('<USER>', 'id of the user; anchorage admin users lists the users')
      .addArgument(wordArgument('<ROLE>', 'the new role', words, 'ORG USER')),
  ([org, user, role], _options, io) =>
    async ({ orgs, principal }) => {
      if (role === 'none') {
        await orgs.removeMember(principal, org, user)
        return io.out(io.json ? json({ id: user, role: null }) : `${user} is not a member of ${org}\n`)
      }
      const member = await orgs.setMember(principal, org, user, role)
      io.out(io.json ? json(memberWire(member)) : `${user} is ${role} of ${org}\n`)
    },
)

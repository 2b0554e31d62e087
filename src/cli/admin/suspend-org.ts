import { nonEmpty } from '../arguments.ts'
import { operatorVerb } from './operator-verb.ts'
import { tellOrg } from './orgs.ts'

/** Suspends an org. */
export const command = operatorVerb(
  {
    about: `Stops an org at once: on every node, within two seconds, its tokens and its members' sessions get 403 with the reason,
in this org alone. What it waits for is put by, unless another org wants it too; what is pinned stays, is repaired, and counts.
Suspending it again replaces the reason. anchorage admin resume-org ORG undoes it.`,
    json: 'the org.',
    examples: ['admin suspend-org acme --reason "unpaid since May"'],
  },
  (bare) =>
    bare
      .argument('<ORG>', 'a slug or a TypeID')
      .requiredOption('--reason <TEXT>', 'what its tokens and members are told', nonEmpty('--reason')),
  ([slug], { reason }, io) =>
    async (operator) => {
      const { orgs, asker } = operator
      await tellOrg(await orgs.suspend(asker, slug, reason), operator, io)
    },
)

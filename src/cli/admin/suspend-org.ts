import { nonEmpty } from '../arguments.ts'
import { operatorVerb } from './operator-verb.ts'
import { tellOrg } from './orgs.ts'

/** Suspends an org. */
export const command = operatorVerb(
  {
    about: `Suspends an org at once: within two seconds, every node answers requests of its tokens and its members with 403 and the
reason. Members keep their access to other orgs. Content that is queued or being fetched is paused, unless another org wants it too.
Pinned content stays, is repaired, and counts. Suspending the org again replaces the reason. anchorage admin resume-org ORG ends the
suspension.`,
    json: 'the org.',
    examples: ['admin suspend-org acme --reason "unpaid since May"'],
  },
  (bare) =>
    bare
      .argument('<ORG>', 'slug or id of the org')
      .requiredOption('--reason <TEXT>', 'the reason that its tokens and members see', nonEmpty('--reason')),
  ([slug], { reason }, io) =>
    async (operator) => {
      const { orgs, principal } = operator
      await tellOrg(await orgs.suspend(principal, slug, reason), operator, io)
    },
)

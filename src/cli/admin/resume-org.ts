import { operatorVerb } from './operator-verb.ts'
import { tellOrg } from './orgs.ts'

/** Resumes an org. */
export const command = operatorVerb(
  {
    about: `Ends the suspension of an org, on every node within two seconds. The leader resumes its paused content. Refused once the
org is being removed.`,
    json: 'the org.',
    examples: ['admin resume-org acme'],
  },
  (bare) => bare.argument('<ORG>', 'slug or id of the org'),
  ([slug], _options, io) =>
    async (operator) => {
      const { orgs, principal } = operator
      await tellOrg(await orgs.resume(principal, slug), operator, io)
    },
)

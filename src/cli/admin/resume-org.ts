import { operatorVerb } from './operator-verb.ts'
import { tellOrg } from './orgs.ts'

/** Resumes an org. */
export const command = operatorVerb(
  {
    about: `Serves a suspended org again, on every node within two seconds; the leader takes its work up where it was put by.
Refused once the org is being removed.`,
    json: 'the org.',
    examples: ['admin resume-org acme'],
  },
  (bare) => bare.argument('<ORG>', 'a slug or a TypeID'),
  ([slug], _options, io) =>
    async (operator) => {
      const { orgs, asker } = operator
      await tellOrg(await orgs.resume(asker, slug), operator, io)
    },
)

import { orgWire } from '../../http/orgs/org-wire.ts'
import { configuredVerb } from '../config-arguments.ts'
import { json } from '../print.ts'
import { orgInFull } from './orgs.ts'
import { withOperator } from './with-operator.ts'

/** Resumes an org. */
export const command = configuredVerb(
  {
    about: `Serves a suspended org again, on every node within two seconds; the leader takes its work up where it was put by.
Refused once the org is being removed. Works on the database of the node's own config, with HTTP and NATS down.`,
    json: 'the org.',
    examples: ['admin resume-org acme'],
  },
  (bare) => bare.argument('<ORG>', 'a slug or a TypeID'),
  async ([slug], _options, io, config) =>
    await withOperator(config, io, async ({ orgs, asker }) => {
      const org = await orgs.resume(asker, slug)
      io.out(io.json ? json(orgWire(org)) : orgInFull(org, await orgs.usage(asker, org.id), io))
    }),
)

import { orgWire } from '../../http/orgs/org-wire.ts'
import { configuredVerb } from '../config-arguments.ts'
import { page, prose } from '../help.ts'
import { json } from '../print.ts'
import { orgInFull } from './orgs.ts'
import { withOperator } from './with-operator.ts'

/** Resumes an org. */
export const command = configuredVerb(
  (bare) =>
    bare
      .description(
        prose(`Serves a suspended org again, on every node within two seconds; the leader takes its work up where it was put by.
Refused once the org is being removed. Works on the database of the node's own config, with HTTP and NATS down.`),
      )
      .argument('<ORG>', 'a slug or a TypeID')
      .addHelpText('after', page({ json: 'the org.', examples: ['admin resume-org acme'] })),
  async ([slug], _options, io, config) =>
    await withOperator(config, io, async ({ orgs, principal }) => {
      const org = await orgs.resume(principal, slug)
      io.out(io.json ? json(orgWire(org)) : orgInFull(org, await orgs.usage(principal, org.id), io))
    }),
)

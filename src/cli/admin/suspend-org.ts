import { orgWire } from '../../http/orgs/org-wire.ts'
import { nonEmpty } from '../arguments.ts'
import { configuredVerb } from '../config-arguments.ts'
import { page, prose } from '../help.ts'
import { json } from '../print.ts'
import { orgInFull } from './orgs.ts'
import { withOperator } from './with-operator.ts'

/** Suspends an org. */
export const command = configuredVerb(
  (bare) =>
    bare
      .description(
        prose(`Stops an org at once: on every node, within two seconds, its tokens and its members' sessions get 403 with the reason,
in this org alone. What it waits for is put by, unless another org wants it too; what is pinned stays, is repaired, and counts.
Suspending it again replaces the reason. anchorage admin resume-org ORG undoes it.
Works on the database of the node's own config, with HTTP and NATS down.`),
      )
      .argument('<ORG>', 'a slug or a TypeID')
      .requiredOption('--reason <TEXT>', 'what its tokens and members are told', nonEmpty('--reason'))
      .addHelpText(
        'after',
        page({ json: 'the org.', examples: ['admin suspend-org acme --reason "unpaid since May"'] }),
      ),
  async ([slug], { reason }, io, config) =>
    await withOperator(config, io, async ({ orgs, principal }) => {
      const org = await orgs.suspend(principal, slug, reason)
      io.out(io.json ? json(orgWire(org)) : orgInFull(org, await orgs.usage(principal, org.id), io))
    }),
)

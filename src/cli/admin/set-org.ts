import { orgWire } from '../../http/orgs/org-wire.ts'
import { configuredVerb } from '../config-arguments.ts'
import { page, prose } from '../help.ts'
import { json } from '../print.ts'
import { WrongUse } from '../verb.ts'
import { orgChangeOf, withOrgOptions } from './org-options.ts'
import { orgInFull } from './orgs.ts'
import { withOperator } from './with-operator.ts'

/** Changes an org. */
export const command = configuredVerb(
  (bare) =>
    withOrgOptions(bare)
      .description(
        prose(`Changes what an org may have, and shows it. What is not given stays; none lifts a limit. What the org has beyond a new
limit it keeps, but it gets no more; pins that are there keep their number of copies.
Works on the database of the node's own config, also while no node runs.`),
      )
      .argument('<ORG>', 'a slug or a TypeID')
      .addHelpText(
        'after',
        page({
          json: 'the org.',
          examples: [
            'admin set-org acme --max-pins 200000',
            'admin set-org acme --max-bytes none --replicas default',
          ],
        }),
      ),
  async ([slug], values, io, config) => {
    const change = orgChangeOf(values)
    if (Object.keys(change).length === 0) throw new WrongUse('nothing to change: give at least one limit')
    await withOperator(config, io, async ({ orgs, principal }) => {
      const org = await orgs.set(principal, slug, change)
      io.out(io.json ? json(orgWire(org)) : orgInFull(org, await orgs.usage(principal, org.id), io))
    })
  },
)

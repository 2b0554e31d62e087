import { WrongUse } from '../verb.ts'
import { operatorVerb } from './operator-verb.ts'
import { orgChangeOf, withOrgOptions } from './org-options.ts'
import { tellOrg } from './orgs.ts'

/** Changes an org. */
export const command = operatorVerb(
  {
    about: `Changes what an org may have, and shows it. What is not given stays; none lifts a limit. What the org has beyond a new
limit it keeps, but it gets no more; pins that are there keep their number of copies.`,
    json: 'the org.',
    examples: [
      'admin set-org acme --max-pins 200000',
      'admin set-org acme --max-bytes none --replicas default',
    ],
  },
  (bare) => withOrgOptions(bare).argument('<ORG>', 'a slug or a TypeID'),
  ([slug], values, io) => {
    const change = orgChangeOf(values)
    if (Object.keys(change).length === 0) throw new WrongUse('nothing to change: give at least one limit')
    return async (operator) => {
      const { orgs, asker } = operator
      await tellOrg(await orgs.set(asker, slug, change), operator, io)
    }
  },
)

import { WrongUse } from '../verb.ts'
import { operatorVerb } from './operator-verb.ts'
import { orgChangeOf, withOrgOptions } from './org-options.ts'
import { tellOrg } from './orgs.ts'

/** Changes an org. */
export const command = operatorVerb(
  {
    about: `Changes the limits of an org, and shows the org. A limit that is not given does not change; none lifts a limit. An org
that is over a new limit keeps what it has, and gets no more. Existing pins keep their number of copies.`,
    json: 'the org.',
    examples: [
      'admin set-org acme --max-pins 200000',
      'admin set-org acme --max-bytes none --replicas default',
    ],
  },
  (bare) => withOrgOptions(bare).argument('<ORG>', 'slug or id of the org'),
  ([slug], values, io) => {
    const change = orgChangeOf(values)
    if (Object.keys(change).length === 0) throw new WrongUse('nothing to change: give at least one limit')
    return async (operator) => {
      const { orgs, principal } = operator
      await tellOrg(await orgs.set(principal, slug, change), operator, io)
    }
  },
)

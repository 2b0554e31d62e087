import { slugForm } from '../../core/org.ts'
import { orgWire } from '../../http/orgs/org-wire.ts'
import { json } from '../print.ts'
import { WrongUse } from '../verb.ts'
import { operatorVerb } from './operator-verb.ts'
import { orgChangeOf, withOrgOptions } from './org-options.ts'

/** Makes an org. */
export const command = operatorVerb(
  {
    about: `Creates an org and prints its id. A limit that is not given comes from orgs.maxPins and orgs.maxBytes of the config. If
these are not set either, the org has no limit.`,
    json: 'the org.',
    examples: ['admin create-org acme --max-pins 100000 --max-bytes 1TiB'],
  },
  (bare) =>
    withOrgOptions(bare).argument(
      '<SLUG>',
      'the name of the org: letters a to z, digits and hyphens, at most 63',
      slugOf,
    ),
  ([slug], values, io) =>
    async ({ orgs, principal }) => {
      const org = await orgs.create(principal, slug, orgChangeOf(values))
      io.out(io.json ? json(orgWire(org)) : `${org.id}\n`)
    },
)

function slugOf(text: string): string {
  if (!slugForm.test(text))
    throw new WrongUse('a SLUG has at most 63 characters: a to z, 0 to 9 and -, with no hyphen at either end')
  return text
}

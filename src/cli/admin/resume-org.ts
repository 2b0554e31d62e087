import { orgWire } from '../../http/orgs/org-wire.ts'
import { noMore, required } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json } from '../print.ts'
import type { Io } from '../verb.ts'
import { orgInFull } from './orgs.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin resume-org ORG [--json] [--config FILE] [--OPTION VALUE …]

Serves a suspended org again, on every node within two seconds; the leader takes its work up where it was put by. ORG is a slug or a
TypeID. Refused once the org is being removed.

Works on the database of the node's own config, with HTTP and NATS down.
`

/** Resumes an org. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  const [given, ...more] = positionals
  noMore(more)
  const slug = required(given, 'ORG')
  await withOperator(config, io, async ({ orgs, asker }) => {
    const org = await orgs.resume(asker, slug)
    io.out(values.json ? json(orgWire(org)) : orgInFull(org, await orgs.usage(asker, org.id)))
  })
}

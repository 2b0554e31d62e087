import { orgWire } from '../../http/orgs/org-wire.ts'
import { noMore, required } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json } from '../print.ts'
import type { Io } from '../verb.ts'
import { orgInFull } from './orgs.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin suspend-org ORG --reason TEXT [--json] [--config FILE] [--OPTION VALUE …]

Stops an org at once: on every node, within two seconds, its tokens and its members' sessions get 403 with the reason, in this org
alone. What it waits for is put by, unless another org wants it too; what is pinned stays, is repaired, and counts. Suspending it
again replaces the reason. ORG is a slug or a TypeID. anchorage admin resume-org ORG undoes it.

Works on the database of the node's own config, with HTTP and NATS down.
`

const options = { reason: { type: 'string' }, json: { type: 'boolean' } } as const

/** Suspends an org. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, options, io)
  const [given, ...more] = positionals
  noMore(more)
  const slug = required(given, 'ORG')
  const reason = required(values.reason, '--reason TEXT')
  await withOperator(config, io, async ({ orgs, asker }) => {
    const org = await orgs.suspend(asker, slug, reason)
    io.out(values.json ? json(orgWire(org)) : orgInFull(org, await orgs.usage(asker, org.id)))
  })
}

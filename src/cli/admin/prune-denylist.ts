import { noMore } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json } from '../print.ts'
import type { Io } from '../verb.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin prune-denylist [--json] [--config FILE] [--OPTION VALUE …]

Removes from the denylist what stands there for nothing: revoked tokens that have expired since. The leader does it, too.

--json prints {"removed"}. Works on the database of the node's own config, with HTTP and NATS down.
`

/** Prunes the denylist. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  noMore(positionals)
  const removed = await withOperator(config, io, ({ use }) => use.pruneDenylist())
  io.out(values.json ? json({ removed }) : `${removed} removed\n`)
}

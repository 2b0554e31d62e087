import { noMore, required } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json, printable } from '../print.ts'
import type { Io } from '../verb.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin uncordon NODE [--json] [--config FILE] [--OPTION VALUE …]

Lets a node that was drained, or is being drained, take new content again. What was moved stays where it is; the node fills
with new pins, and by anchorage admin rebalance. NODE is a name or a TypeID.

--json prints {"id","name","state"}. Works on the database of the node's own config, with HTTP and NATS down.
`

/** Ends a drain. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  const [given, ...more] = positionals
  noMore(more)
  const asked = required(given, 'NODE')
  const { id, name, state } = await withOperator(config, io, ({ use, actor }) => use.uncordon(asked, actor))
  io.out(values.json ? json({ id, name, state }) : `${printable(name)} (${id}) is ${state}\n`)
}

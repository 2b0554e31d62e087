import { noMore, required } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json, printable } from '../print.ts'
import type { Io } from '../verb.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin forget NODE [--json] [--config FILE] [--OPTION VALUE …]

Takes a node that will not come back out of the book, for good. Refused while the node lives, and while it holds content that
is pinned nowhere else: drain it first, or wait until what it had is repaired. NODE is a name or a TypeID.

--json prints {"id","name","forgotten"}. Works on the database of the node's own config, with HTTP and NATS down.
`

/** Forgets a node. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  const [given, ...more] = positionals
  noMore(more)
  const asked = required(given, 'NODE')
  const { id, name } = await withOperator(config, io, ({ use, actor }) => use.forget(asked, actor))
  io.out(values.json ? json({ id, name, forgotten: true }) : `${printable(name)} (${id}) is forgotten\n`)
}

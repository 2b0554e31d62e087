import { configuredVerb } from '../config-arguments.ts'
import { json, printable } from '../print.ts'
import { withOperator } from './with-operator.ts'

/** Ends a drain. */
export const command = configuredVerb(
  {
    about: `Lets a node that was drained, or is being drained, take new content again. What was moved stays where it is; the node
fills with new pins, and by anchorage admin rebalance.
Works on the database of the node's own config, with HTTP and NATS down.`,
    json: '{"id","name","state"}.',
    examples: ['admin uncordon anchor-2'],
  },
  (bare) => bare.argument('<NODE>', 'a name or a TypeID'),
  async ([asked], _options, io, config) => {
    const { id, name, state } = await withOperator(config, io, ({ use, actor }) => use.uncordon(asked, actor))
    io.out(io.json ? json({ id, name, state }) : `${printable(name)} (${id}) is ${state}\n`)
  },
)

import { json, printable } from '../print.ts'
import { operatorVerb } from './operator-verb.ts'

/** Ends a drain. */
export const command = operatorVerb(
  {
    about: `Lets a node that was drained, or is being drained, take new content again. What was moved stays where it is; the node
fills with new pins, and by anchorage admin rebalance.`,
    json: '{"id","name","state"}.',
    examples: ['admin uncordon anchor-2'],
  },
  (bare) => bare.argument('<NODE>', 'a name or a TypeID'),
  ([asked], _options, io) =>
    async ({ use, actor }) => {
      const { id, name, state } = await use.uncordon(asked, actor)
      io.out(io.json ? json({ id, name, state }) : `${printable(name)} (${id}) is ${state}\n`)
    },
)

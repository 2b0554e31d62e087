import { json, printable } from '../print.ts'
import { operatorVerb } from './operator-verb.ts'

/** Ends a drain. */
export const command = operatorVerb(
  {
    about: `Ends a drain: the node takes new content again. Content that was moved stays on the other nodes. The node fills with new
pins, and with anchorage admin rebalance.`,
    json: '{"id","name","state"}.',
    examples: ['admin uncordon anchor-2'],
  },
  (bare) => bare.argument('<NODE>', 'name or id of the node'),
  ([asked], _options, io) =>
    async ({ use, actor }) => {
      const { id, name, state } = await use.uncordon(asked, actor)
      io.out(io.json ? json({ id, name, state }) : `${printable(name)} (${id}) is ${state}\n`)
    },
)

import { confirm } from '../confirm.ts'
import { bytes, json, printable } from '../print.ts'
import { operatorVerb } from './operator-verb.ts'

/** Forgets a node. */
export const command = operatorVerb(
  {
    about: `Takes a node that will not come back out of the book, for good; asks before it does. Refused while the node lives, and while
it holds content that is pinned nowhere else: drain it first, or wait until what it had is repaired.`,
    json: '{"id","name","forgotten"}.',
    examples: ['admin forget anchor-3', 'admin forget anchor-3 --yes'],
  },
  (bare) => bare.argument('<NODE>', 'a name or a TypeID'),
  ([asked], _options, io) =>
    async ({ use, actor }) => {
      const { node, placements, bytes: size } = await use.node(asked)
      const has = `${placements} placements (${bytes(size)})`
      await confirm(`${printable(node.name)} (${node.id}) goes out of the book for good, with its ${has}`, io)
      const { id, name } = await use.forget(node.id, actor)
      io.out(io.json ? json({ id, name, forgotten: true }) : `${printable(name)} (${id}) is forgotten\n`)
    },
)

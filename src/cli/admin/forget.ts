import { confirm } from '../confirm.ts'
import { bytes, json, printable } from '../print.ts'
import { operatorVerb } from './operator-verb.ts'

/** Forgets a node. */
export const command = operatorVerb(
  {
    about: `Deletes a node from the database for good. Use it for a node that will not come back. Asks first. Refused while the node is live, and
while it has content that is pinned on no other node: drain the node first, or wait until the content is repaired.`,
    json: '{"id","name","forgotten"}.',
    examples: ['admin forget anchor-3', 'admin forget anchor-3 --yes'],
  },
  (bare) => bare.argument('<NODE>', 'name or id of the node'),
  ([asked], _options, io) =>
    async ({ use, actor }) => {
      const { node, placements, bytes: size } = await use.node(asked)
      const has = `${placements} placements (${bytes(size)})`
      await confirm(
        `${printable(node.name)} (${node.id}) is deleted from the database for good, with its ${has}`,
        io,
      )
      const { id, name } = await use.forget(node.id, actor)
      io.out(io.json ? json({ id, name, forgotten: true }) : `${printable(name)} (${id}) is forgotten\n`)
    },
)

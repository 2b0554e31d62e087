import type { Loss } from '../../core/loss.ts'
import type { NodeView } from '../../core/node-statuses.ts'
import { confirm } from '../confirm.ts'
import { bytes, json, printable } from '../print.ts'
import { progress } from '../progress.ts'
import { WrongUse, type Io } from '../verb.ts'
import { operatorVerb } from './operator-verb.ts'

/** Forgets a node. */
export const command = operatorVerb(
  {
    about: `Deletes a node from the database for good. Use it for a node that will not come back. Refused while the node is alive. Asks first.

If no other node has some of its content, that content is lost with it, and the command is refused. If the machine or its Kubo's disk
can come back, start it again, and drain it if it is to go. If it is gone for good, add --accept-loss: the pins of that content are
queued again on other nodes, which fetch it from the network or from its origins if anyone there has it; until then the pins show
the error code lost. The command then asks for the name of the node. If it breaks off, run it again.`,
    json: `{"id","name","forgotten","lost"} at the end; lost is {"contents","pins","orgs","bytes"}. If it is refused because content would be
lost, there is a line {"cid","bytes","pins","orgs"} for each such content before, in the order of CIDs.`,
    notes: 'The exit code is 1 if the node is not deleted.',
    examples: [
      'admin forget anchor-3',
      'admin forget anchor-3 --accept-loss',
      'admin forget anchor-3 --accept-loss --confirm anchor-3',
    ],
  },
  (bare) =>
    bare
      .argument('<NODE>', 'name or id of the node')
      .option('--accept-loss', 'also if content is lost: its pins are queued again')
      .option('--confirm <NAME>', 'do not ask for the name; refused if this is not the name of NODE'),
  ([asked], { acceptLoss = false, confirm: typed }, io) =>
    async ({ use, actor }) => {
      const view = await use.node(asked)
      const { id, name } = view.node
      const lost = await use.lossOf(id)
      const isRefused = lost.contents > 0 && !acceptLoss
      if (isRefused && io.json) {
        for await (const page of use.lostContents(id)) for (const content of page) io.out(json(content))
        io.out(json({ id, name, forgotten: false, lost }))
      }
      if (!isRefused) await agree(view, lost, typed, io)
      const shown = progress(io, io.json)
      const onRemoved = (removed: number, of: number) =>
        shown.tell(`${printable(name)}: ${removed} of ${of} placements removed`)
      await use.forget(id, actor, { acceptLoss, onRemoved }).finally(() => shown.done())
      io.out(
        io.json ? json({ id, name, forgotten: true, lost }) : `${printable(name)} (${id}) is forgotten\n`,
      )
    },
)

/** Says what will happen and asks for a yes; when content is lost, for the name of the node. */
async function agree(view: NodeView, lost: Loss, typed: string | undefined, io: Io): Promise<void> {
  const name = printable(view.node.name)
  const has = `${view.placements} placements (${bytes(view.bytes)})`
  const what = `${name} (${view.node.id}) is deleted from the database for good, with its ${has}`
  if (lost.contents === 0 && typed === undefined) return await confirm(what, io)
  const said = `${what}. ${lostWords(lost)}`
  const answer = typed ?? (io.yes ? view.node.name : await askFor(name, said, io))
  if (answer !== view.node.name)
    throw new WrongUse(`${printable(answer)} is not the name of ${name}. Nothing was changed`)
}

async function askFor(name: string, said: string, io: Io): Promise<string> {
  if (io.ask === undefined)
    throw new WrongUse(`${said}. Nothing was changed: add --confirm ${name}, or --yes, to do it`)
  io.err(`${said}.\n`)
  return (await io.ask(`Type ${name} to delete it: `)).trim()
}

function lostWords({ contents, pins, orgs, bytes: size }: Loss): string {
  return `No other node has ${contents} of its contents (${bytes(size)}), which ${pins} pins of ${orgs} orgs want: these pins are queued again`
}

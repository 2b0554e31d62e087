import type { DrainView } from '../../core/drain.ts'
import type { OperatorUseCases } from '../../core/operators.ts'
import { drainWire } from '../../http/admin/admin-wire.ts'
import { bytes, json, printable, progressWords } from '../print.ts'
import { watchToEnd, type Operation } from '../watch.ts'
import { operatorVerb } from './operator-verb.ts'

/** Drains a node. */
export const command = operatorVerb(
  {
    about: `Takes a node out of service. The node gets no new content, and its content is copied to other nodes. A copy is deleted
only after its replacement is pinned. Shows the progress until the node has no content left. Ctrl-C stops watching; the drain
continues. Run the command again to watch it again. anchorage admin uncordon NODE ends the drain.`,
    json: '{"id","name","state","left","moving","waiting","removing","bytesLeft","waits"} at the end.',
    notes: 'The exit code is 1 if the node is not drained at the end.',
    examples: ['admin drain anchor-2', 'admin drain anchor-2 --no-wait'],
  },
  (bare) =>
    bare
      .argument('<NODE>', 'name or id of the node')
      .option('--wait', 'wait until the node is drained (the default)')
      .option('--no-wait', 'start the drain and return'),
  ([node], { wait }, io) =>
    async ({ use, actor }) => {
      const begun = await use.drain(node, actor)
      if (wait !== false) return await watchToEnd(begun, watchedDrain(use, begun), io)
      io.out(io.json ? json(drainWire(begun)) : `${progressOf(begun)}\n`)
    },
)

function watchedDrain(use: OperatorUseCases, { node: { id, name } }: DrainView): Operation<DrainView> {
  const shown = printable(name)
  return {
    read: () => use.drainOf(id),
    // The drain is also over when an operator uncordons the node.
    isOver: ({ node }) => node.state !== 'draining',
    isDone: ({ node }) => node.state === 'drained',
    show: (drain) => ({ text: `${shown}: ${progressOf(drain)}` }),
    bytesLeft: ({ bytesLeft }) => bytesLeft,
    json: drainWire,
    goesOn: `the drain continues; anchorage admin drain ${shown} watches it again, anchorage admin uncordon ${shown} ends it`,
  }
}

/**
 * `draining, 120 left (1.2 GiB), 32 moving, 4 waiting, 84 being removed; waits: too few nodes`: the last three counts add up to the
 * first.
 */
function progressOf({ node, left, moving, waiting, removing, bytesLeft, waits }: DrainView): string {
  if (node.state === 'drained') return 'drained: no content is left on it'
  if (node.state === 'active') return 'the drain was ended: the node takes content again'
  const words = [
    'draining',
    `${left} left (${bytes(bytesLeft)})`,
    moving > 0 ? `${moving} moving` : '',
    waiting > 0 ? `${waiting} waiting` : '',
    removing > 0 ? `${removing} being removed` : '',
  ]
  return progressWords(words, waits)
}

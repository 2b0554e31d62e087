import type { DrainView } from '../../core/drain.ts'
import type { OperatorUseCases } from '../../core/operators.ts'
import { drainWire } from '../../http/admin/admin-wire.ts'
import { configuredVerb } from '../config-arguments.ts'
import { bytes, duration, json, printable } from '../print.ts'
import { timeLeft } from '../time-left.ts'
import type { Io } from '../verb.ts'
import { watch } from '../watch.ts'
import { withOperator } from './with-operator.ts'

/** Drains a node. */
export const command = configuredVerb(
  {
    about: `Takes a node out of service: it takes no new content, and what it has is copied to other nodes; no copy is given up before
another one stands. Shows how far it is until the node has nothing left. Ctrl-C ends the watching, not the drain: anchorage admin
uncordon NODE ends that. Drain again to watch on. Works on the database of the node's own config, with HTTP and NATS down.`,
    json: '{"id","name","state","left","moving","waiting","removing","bytesLeft","waits"} at the end.',
    notes: 'Exit code 1 when it was not drained in the end.',
    examples: ['admin drain anchor-2', 'admin drain anchor-2 --no-wait'],
  },
  (bare) =>
    bare
      .argument('<NODE>', 'a name or a TypeID')
      .option('--wait', 'until the node is drained (what happens without it, too)')
      .option('--no-wait', 'only begin'),
  async ([node], { wait }, io, config) =>
    await withOperator(config, io, async ({ use, actor }) => {
      const begun = await use.drain(node, actor)
      const isWatched = wait !== false
      const drain = isWatched ? await watchDrain(use, begun, io, io.json) : begun
      if (io.json) io.out(json(drainWire(drain)))
      else if (!isWatched) io.out(`${progressOf(drain)}\n`)
      if (isWatched && io.signal.aborted && !isOver(drain)) sayGoesOn(drain, io)
      return !isWatched || drain.node.state === 'drained' ? 0 : 1
    }),
)

async function watchDrain(
  use: OperatorUseCases,
  begun: DrainView,
  io: Io,
  quiet: boolean,
): Promise<DrainView> {
  const { id, name } = begun.node
  const left = timeLeft()
  const show = (drain: DrainView) => {
    const ms = left(drain.bytesLeft)
    return {
      text: `${printable(name)}: ${progressOf(drain)}`,
      ...(!isOver(drain) && ms !== null && { more: `about ${duration(ms)} left` }),
    }
  }
  return await watch(begun, { read: () => use.drainOf(id), isOver, show }, io, quiet)
}

/** The drain is also over when an operator uncordons the node. */
function isOver({ node }: DrainView): boolean {
  return node.state !== 'draining'
}

/**
 * `draining, 120 left (1.2 GiB), 32 moving, 4 waiting, 84 being removed; waits: too few nodes`: the last three counts add up to the
 * first.
 */
function progressOf({ node, left, moving, waiting, removing, bytesLeft, waits }: DrainView): string {
  if (node.state === 'drained') return 'drained, it holds nothing any more'
  if (node.state === 'active') return 'uncordoned meanwhile: it takes content again'
  const words = [
    'draining',
    `${left} left (${bytes(bytesLeft)})`,
    moving > 0 ? `${moving} moving` : '',
    waiting > 0 ? `${waiting} waiting` : '',
    removing > 0 ? `${removing} being removed` : '',
  ]
  return (
    words.filter((word) => word !== '').join(', ') + (waits === null ? '' : `; waits: ${printable(waits)}`)
  )
}

function sayGoesOn({ node }: DrainView, io: Io): void {
  if (io.json) return
  const name = printable(node.name)
  io.err(
    `the drain goes on; anchorage admin drain ${name} watches it again, anchorage admin uncordon ${name} ends it\n`,
  )
}

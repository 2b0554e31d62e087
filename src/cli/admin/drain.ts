import { drainWire } from '../../http/admin/admin-wire.ts'
import type { DrainView, OperatorUseCases } from '../../core/operator-use-cases.ts'
import { noMore, required } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { bytes, duration, json, printable } from '../print.ts'
import { timeLeft } from '../time-left.ts'
import { WrongUse, type Io } from '../verb.ts'
import { watch } from '../watch.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin drain NODE [--wait | --no-wait] [--json] [--config FILE] [--OPTION VALUE …]

Takes a node out of service: it takes no new content, and what it has is copied to other nodes; no copy is given up before
another one stands. Shows how far it is until the node has nothing left. NODE is a name or a TypeID.
Ctrl-C ends the watching, not the drain: anchorage admin uncordon NODE ends that. Drain again to watch on.

--wait     until the node is drained (what happens without it, too)
--no-wait  only begin

--json prints {"id","name","state","left","moving","waiting","removing","bytesLeft","waits"} at the end.
Exit code 1 when it was not drained in the end. Works on the database of the node's own config, with HTTP and NATS down.
`

const options = {
  wait: { type: 'boolean' },
  'no-wait': { type: 'boolean' },
  json: { type: 'boolean' },
} as const

/** Drains a node. */
export async function run(argv: string[], io: Io): Promise<number> {
  const { config, values, positionals } = configArgumentsOf(argv, options, io)
  const [given, ...more] = positionals
  noMore(more)
  const node = required(given, 'NODE')
  if (values.wait && values['no-wait']) throw new WrongUse('expected either --wait or --no-wait')
  const asJson = values.json ?? false
  return await withOperator(config, io, async ({ use, actor }) => {
    const begun = await use.drain(node, actor)
    const isWatched = !values['no-wait']
    const drain = isWatched ? await watchDrain(use, begun, io, asJson) : begun
    if (asJson) io.out(json(drainWire(drain)))
    else if (!isWatched) io.out(`${progressOf(drain)}\n`)
    if (isWatched && io.signal.aborted && !isOver(drain)) sayGoesOn(drain, io)
    return !isWatched || drain.node.state === 'drained' ? 0 : 1
  })
}

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

/** Somebody may uncordon it meanwhile: then there is nothing to wait for. */
function isOver({ node }: DrainView): boolean {
  return node.state !== 'draining'
}

/** `draining, 120 left (1.2 GiB), 32 moving, 4 waiting, 84 being removed; waits: too few nodes`: the last three add up to the first. */
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
  const name = printable(node.name)
  io.err(
    `the drain goes on; anchorage admin drain ${name} watches it again, anchorage admin uncordon ${name} ends it\n`,
  )
}

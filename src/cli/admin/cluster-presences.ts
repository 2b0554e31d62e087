import type { NodeStatus } from '../../core/operator-use-cases.ts'
import { presencesWire } from '../../http/admin/admin-wire.ts'
import { noMore } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { duration, json, table } from '../print.ts'
import type { Io } from '../verb.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin cluster-presences [--json] [--config FILE] [--OPTION VALUE …]

Shows which nodes hear which. A row is a node as it last reported; HEARD is how long before that report it heard each of the
others (a heartbeat goes out every second). "not heard": it did not for a while, or never did.
SIGN is how long ago the node last signed in Postgres (every ten seconds), so it is fresh also while NATS is away.

--json prints {"results":[{"id","name","live","silentMs","leads","reportedAt","heard":[{"id","name","agoMs"}],"reasons"}]}.
Works on the database of the node's own config, with HTTP and NATS down.
`

/** Shows who hears whom. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  noMore(positionals)
  const views = await withOperator(config, io, ({ use }) => use.statuses())
  if (values.json) return io.out(json({ results: presencesWire(views) }))
  if (views.length === 0) return io.err('no node has started yet\n')
  io.out(
    table(
      ['NODE', 'LIVE', 'SIGN', 'LEADS', 'HEARD'],
      views.map((view) => rowOf(view, views)),
    ),
  )
}

function rowOf({ node, report, leads }: NodeStatus, views: NodeStatus[]): string[] {
  const heard = views
    .filter((other) => other.node.id !== node.id)
    .map((other) => {
      const agoMs = report?.heard[other.node.id]
      return `${other.node.name} ${agoMs === undefined ? 'not heard' : duration(agoMs)}`
    })
  return [
    node.name,
    node.live ? 'live' : 'silent',
    duration(node.silentMs),
    leads === null ? '' : `epoch ${leads}`,
    report === null ? 'not reported yet' : heard.length === 0 ? 'alone' : heard.join(', '),
  ]
}

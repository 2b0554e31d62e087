import type { NodeStatus } from '../../core/node-statuses.ts'
import { presencesWire } from '../../http/admin/admin-wire.ts'
import { noNode, tableOf, watchTells } from '../display.ts'
import { stateIn } from '../paint.ts'
import { duration } from '../print.ts'
import type { Column } from '../table.ts'
import { operatorVerb } from './operator-verb.ts'

const columns: readonly Column[] = [
  { head: 'NODE', rank: 1, least: 12 },
  { head: 'LIVE', rank: 1, colour: stateIn },
  {
    head: 'SIGN',
    rank: 2,
    means:
      'how long ago the node last wrote to Postgres that it lives (every ten seconds). It is recent even while NATS is down',
  },
  { head: 'LEADS', rank: 3 },
  {
    head: 'HEARD',
    rank: 1,
    least: 20,
    means:
      'how long before its last report the node heard each other node (a heartbeat is sent every second); “not heard”: not for a while, or never',
  },
]

/** Shows which nodes hear which. */
export const command = operatorVerb(
  {
    about: 'Shows which nodes hear each other. Each row is a node, as it last reported.',
    columns,
    json: '{"results":[{"id","name","live","silentMs","leads","reportedAt","heard":[{"id","name","agoMs"}],"reasons"}]}.',
    examples: ['admin cluster-presences', 'admin cluster-presences --watch'],
  },
  (bare) => bare.option('--watch', watchTells),
  (_args, _options, io) =>
    ({ use, show }) =>
      show({
        read: () => use.statuses(),
        screen: (views) =>
          tableOf(
            columns,
            views.map((view) => rowOf(view, views)),
            io,
            noNode,
          ),
        json: (views) => ({ results: presencesWire(views) }),
      }),
)

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
    report === null ? 'not reported yet' : heard.length === 0 ? 'no other node' : heard.join(', '),
  ]
}

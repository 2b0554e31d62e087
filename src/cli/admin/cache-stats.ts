import type { NodeStatus } from '../../core/node-statuses.ts'
import { nodeCachesWire } from '../../http/admin/admin-wire.ts'
import { tableOf, watchTells, type Screen } from '../display.ts'
import { printable } from '../print.ts'
import type { Column } from '../table.ts'
import type { Io } from '../verb.ts'
import { operatorVerb } from './operator-verb.ts'

const columns: readonly Column[] = [
  { head: 'NODE', rank: 1, least: 12 },
  { head: 'CACHE', rank: 1 },
  { head: 'SIZE', rank: 3 },
  { head: 'HITS', rank: 1, means: 'lookups that the cache answered, and their share' },
  { head: 'MISSES', rank: 2 },
  { head: 'INVALIDATIONS', rank: 5, means: 'changes that other nodes reported' },
  { head: 'FLUSHES', rank: 6, means: 'how often the cache was emptied after a reconnection' },
  {
    head: 'VERSION',
    rank: 4,
    means:
      'the newest version of the cached data that the node knows. Nodes whose versions differ for long do not hear each other',
  },
]

/** Shows the caches. */
export const command = operatorVerb(
  {
    about: 'Shows the caches of each node, as the node last reported them. A node reports every ten seconds.',
    columns,
    json: '{"results":[{"id","name","reportedAt","caches":[…]}]}.',
    examples: ['admin cache-stats', 'admin cache-stats --watch'],
  },
  (bare) => bare.option('--watch', watchTells),
  (_args, _options, io) =>
    ({ use, show }) =>
      show({
        read: () => use.statuses(),
        screen: (views) => list(views, io),
        json: (views) => ({ results: views.map(nodeCachesWire) }),
      }),
)

function list(views: NodeStatus[], io: Io): Screen {
  const results = views.map(nodeCachesWire)
  const rows = results.flatMap(({ name, caches }) =>
    caches.map(({ cache, size, hits, misses, ...rest }) => [
      name,
      cache,
      String(size),
      hits + misses === 0 ? '0' : `${hits} (${Math.floor((100 * hits) / (hits + misses))}%)`,
      String(misses),
      String(rest.invalidations),
      String(rest.flushes),
      String(rest.version),
    ]),
  )
  const { text, notes = [] } = rows.length === 0 ? { text: '' } : tableOf(columns, rows, io)
  const silent = results.filter(({ reportedAt }) => reportedAt === null)
  return { text, notes: [...silent.map(({ name }) => printable(`${name} has not reported yet`)), ...notes] }
}

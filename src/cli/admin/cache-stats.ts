import { nodeCachesWire } from '../../http/admin/admin-wire.ts'
import { noMore } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json, table } from '../print.ts'
import type { Io } from '../verb.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin cache-stats [--json] [--config FILE] [--OPTION VALUE …]

Shows how the caches of each node fare, as each node last reported (every ten seconds).

HITS           answered from memory, and their share
INVALIDATIONS  heard from other nodes
FLUSHES        times that the cache was emptied, after a reconnection
VERSION        the newest version of its subject that the node knows of: nodes that differ for long do not hear one another

--json prints {"results":[{"id","name","reportedAt","caches":[…]}]}.
Works on the database of the node's own config, with HTTP and NATS down.
`

const head = ['NODE', 'CACHE', 'SIZE', 'HITS', 'MISSES', 'INVALIDATIONS', 'FLUSHES', 'VERSION']

/** Shows the caches. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  noMore(positionals)
  const views = await withOperator(config, io, ({ use }) => use.statuses())
  const results = views.map(nodeCachesWire)
  if (values.json) return io.out(json({ results }))
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
  if (rows.length > 0) io.out(table(head, rows))
  for (const { name, reportedAt } of results)
    if (reportedAt === null) io.err(`${name} has not reported yet\n`)
}

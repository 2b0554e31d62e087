import { storeUrls } from '../../config/database-urls.ts'
import type { Miscount, Recount } from '../../core/recount.ts'
import { recount } from '../../store/recount.ts'
import { configuredVerb } from '../config-arguments.ts'
import { tableOf } from '../display.ts'
import { json } from '../print.ts'
import { progress } from '../progress.ts'
import type { Column } from '../table.ts'
import type { Io } from '../verb.ts'
import { localOperator } from './local-operator.ts'

const columns: readonly Column[] = [
  { head: 'OF', rank: 1, least: 12 },
  { head: 'COUNTER', rank: 1, least: 12 },
  { head: 'WHICH', rank: 2, least: 16 },
  { head: 'STORED', rank: 1 },
  { head: 'COUNTED', rank: 1 },
]

/** Compares the stored counts with their rows, and corrects them. */
export const command = configuredVerb(
  {
    about: `Compares every stored count with the rows that it sums up: the pins and bytes of each org (what usage, lists and limits
show), the bytes that are reserved for content that still arrives, the placements and bytes of each node, and the moves and bytes of
each plan. The nodes may keep running: the result is exact beside their writes. With --apply, wrong counts are corrected, and the
audit names each org, node and plan that had some. Lists the first 1,000 of them.

Uses the database that the config names (database.systemUrl), so it works even when no node runs and NATS is down.`,
    json: '{"orgs","nodes","plans","wrong","corrected","results":[{"id","name","counter","key","kept","counted"}]}.',
    notes:
      'The exit code is 0 if all counts are right or were corrected, and 1 if some are wrong and --apply was not given.',
    examples: ['admin recount', 'admin recount --apply'],
  },
  (bare) => bare.option('--apply', 'correct the counts that are wrong'),
  async (_args, { apply = false }, io, config) => {
    const { systemUrl } = storeUrls(config)
    const shown = progress(io, io.json)
    let now = ''
    const news = setInterval(() => shown.tell(now), 250)
    const found = await recount({
      systemUrl,
      correctAs: apply ? localOperator() : null,
      onStep: (soFar, about) =>
        (now = `${amounts(soFar)} counted, ${soFar.wrong} counts wrong; now ${about}`),
      signal: io.signal,
    }).finally(() => clearInterval(news))
    shown.done()
    tell(found, apply, io)
    return found.wrong === 0 || apply ? 0 : 1
  },
)

function tell(found: Recount, apply: boolean, io: Io): void {
  const { miscounts, ...sums } = found
  const corrected = apply ? found.wrong : 0
  if (io.json) return io.out(json({ ...sums, corrected, results: miscounts }))
  if (found.wrong === 0) return io.out(`all stored counts of ${amounts(found)} are right\n`)
  const { text, notes = [] } = tableOf(columns, miscounts.map(rowOf), io)
  io.out(text)
  const left = found.wrong - miscounts.length
  const more = left === 0 ? '' : `not listed: ${left}; `
  const rest = apply
    ? `wrong counts that were corrected: ${corrected}`
    : `wrong counts: ${found.wrong}; anchorage admin recount --apply corrects them`
  for (const note of [...notes, `${more}${rest}`]) io.err(`${note}\n`)
}

function rowOf({ id, name, counter, key, kept, counted }: Miscount): string[] {
  const which = Object.entries(key).map(([field, value]) => `${field} ${value}`)
  return [name ?? id, counter, which.join(', '), String(kept), String(counted)]
}

function amounts({ orgs, nodes, plans }: Pick<Recount, 'orgs' | 'nodes' | 'plans'>): string {
  return `${orgs.toLocaleString('en')} orgs, ${nodes} nodes and ${plans} plans`
}

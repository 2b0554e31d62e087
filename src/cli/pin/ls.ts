import type { PinClient, PinFilters, PinStatus } from '../../http/client.ts'
import { display, tableOf, watchTells, type Screen } from '../display.ts'
import { stateIn } from '../paint.ts'
import { duration, json } from '../print.ts'
import type { Column } from '../table.ts'
import { verb, WrongUse, type Io } from '../verb.ts'
import { filtersOf, withFilters } from './filters.ts'
import { serviceOf } from './service.ts'
import { progressOf } from './show.ts'

const columns: readonly Column[] = [
  { head: 'REQUESTID', rank: 1 },
  { head: 'CID', rank: 2, least: 16 },
  { head: 'STATUS', rank: 1, least: 12, colour: stateIn },
  { head: 'AGE', rank: 4 },
  { head: 'NAME', rank: 3, least: 12 },
]

const usualLimit = 20

/** Lists pins. */
export const command = verb(
  {
    about:
      'Lists the pins that match every given filter, newest first. Without --status, pins of every status match.',
    json: 'one pin per line, as the service returns it; with --watch, {"count","results"}.',
    examples: [
      'pin ls',
      'pin ls --status queued,pinning --watch',
      'pin ls --name photos --match partial --all --json',
    ],
  },
  (bare) =>
    withFilters(bare)
      .option('--limit <N>', `at most this many, up to 1000 (default ${usualLimit})`, limitOf)
      .option('--all', 'list all pins that match')
      .option('--watch', watchTells),
  async (_args, { limit = usualLimit, all, watch, ...values }, io) => {
    const filters = filtersOf(values)
    const client = serviceOf(values, io)
    if (io.json && !watch) return await asLines(client, filters, all ? null : limit, io)
    await display(
      {
        read: () => (all ? everyOne(client, filters, io) : client.list({ ...filters, limit }, io.signal)),
        screen: (page) => list(page, io),
        json: (page) => page,
      },
      watch,
      io,
    )
  },
)

interface Listed {
  count: number
  results: PinStatus[]
}

async function asLines(client: PinClient, filters: PinFilters, limit: number | null, io: Io): Promise<void> {
  if (limit === null) for await (const pin of client.all(filters, io.signal)) io.out(json(pin))
  else io.out((await client.list({ ...filters, limit }, io.signal)).results.map(json).join(''))
}

async function everyOne(client: PinClient, filters: PinFilters, io: Io): Promise<Listed> {
  const results: PinStatus[] = []
  for await (const pin of client.all(filters, io.signal)) results.push(pin)
  return { count: results.length, results }
}

function list({ count, results }: Listed, io: Io): Screen {
  if (count === 0) return { text: '', notes: ['no pins match'] }
  const { text, notes = [] } = tableOf(columns, results.map(row), io)
  const fewer = results.length < count ? [`${results.length} of ${count}; --all lists all of them`] : []
  return { text: results.length === 0 ? '' : text, notes: [...fewer, ...notes] }
}

function row(pin: PinStatus): string[] {
  const nowMs = Date.now()
  const age = duration(Math.max(0, nowMs - Date.parse(pin.created))).split(' ')[0] ?? ''
  return [pin.requestid, pin.pin.cid, progressOf(pin, nowMs), age, pin.pin.name ?? '']
}

function limitOf(text: string): number {
  const limit = Number(text)
  if (!/^\d+$/.test(text) || limit < 1 || limit > 1000) {
    throw new WrongUse(`--limit ${text}: expected a whole number from 1 to 1000; --all lists all of them`)
  }
  return limit
}

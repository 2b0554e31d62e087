import type { PinStatus } from '../../http/client.ts'
import { argumentsOf, noMore } from '../arguments.ts'
import { duration, json, table } from '../print.ts'
import { WrongUse, type Io } from '../verb.ts'
import { filterOptions, filtersOf } from './filters.ts'
import { serviceOf, serviceOptions, serviceUsage } from './service.ts'
import { progressOf } from './show.ts'

export const usage = `
Usage: anchorage pin ls [--status queued,pinning,pinned,failed] [--name NAME] [--match exact|iexact|partial|ipartial]
                        [--cid CID,…] [--meta KEY=VALUE]… [--limit N | --all] [--json] [--url URL] [--token-file FILE]

Lists pins, newest first: those that match every filter given, of every status unless --status says otherwise.
--limit  at most this many, up to 1000 (default 20)
--all    every one that matches
--json   one line per pin, as the service tells it
${serviceUsage}`

const options = {
  ...serviceOptions,
  ...filterOptions,
  limit: { type: 'string' },
  all: { type: 'boolean' },
} as const

/** Lists pins. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { values, positionals } = argumentsOf(argv, options)
  noMore(positionals)
  const limit = limitOf(values.limit ?? '20')
  const filters = filtersOf(values)
  const client = serviceOf(values, io)
  const asJson = values.json ?? false
  if (values.all) {
    const pins: PinStatus[] = []
    for await (const pin of client.all(filters, io.signal)) {
      if (asJson) io.out(json(pin))
      else pins.push(pin)
    }
    if (!asJson) show(pins, pins.length, io)
    return
  }
  const { count, results } = await client.list({ ...filters, limit }, io.signal)
  if (asJson) io.out(results.map(json).join(''))
  else show(results, count, io)
}

function show(pins: PinStatus[], matching: number, io: Io): void {
  if (pins.length > 0) io.out(table(head, pins.map(row)))
  if (matching === 0) io.err('no pins match\n')
  else if (pins.length < matching) io.err(`${pins.length} of ${matching}; --all lists every one\n`)
}

const head = ['REQUESTID', 'CID', 'STATUS', 'AGE', 'NAME']

function row(pin: PinStatus): string[] {
  const nowMs = Date.now()
  const age = duration(Math.max(0, nowMs - Date.parse(pin.created))).split(' ')[0] ?? ''
  return [pin.requestid, pin.pin.cid, progressOf(pin, nowMs), age, pin.pin.name ?? '']
}

function limitOf(text: string): number {
  const limit = Number(text)
  if (!/^\d+$/.test(text) || limit < 1 || limit > 1000) {
    throw new WrongUse(`--limit ${text}: expected a whole number from 1 to 1000; --all lists every one`)
  }
  return limit
}

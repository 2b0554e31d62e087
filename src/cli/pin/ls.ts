import { argumentsOf, noMore } from '../arguments.ts'
import { duration, json, table } from '../print.ts'
import { WrongUse, type Io } from '../verb.ts'
import { filterOptions, filtersOf } from './filters.ts'
import { pages } from './pages.ts'
import { serviceOf, serviceOptions, serviceUsage } from './service.ts'
import { progressOf } from './show.ts'

export const usage = `
Usage: anchorage pin ls [--status queued,pinning,pinned,failed] [--name NAME] [--match exact|iexact|partial|ipartial]
                        [--cid CID,…] [--meta KEY=VALUE]… [--limit N | --all] [--json] [--url URL] [--token TOKEN]

Lists pins, newest first: those that match every filter given, of every status unless --status says otherwise.
--limit  at most this many (default 20)
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
  const limit = values.all ? Infinity : limitOf(values.limit ?? '20')
  const client = serviceOf(values, io)
  let shown = 0
  let matching: number | undefined
  for await (const page of pages(client, filtersOf(values), limit, io.signal)) {
    matching ??= page.matching
    shown += page.pins.length
    if (values.json) io.out(page.pins.map(json).join(''))
    else if (page.pins.length > 0) io.out(table(head, page.pins.map(row)))
  }
  if (!values.json && matching === 0) io.err('no pins match\n')
  if (!values.json && shown < (matching ?? 0)) io.err(`${shown} of ${matching}; --all lists every one\n`)
}

const head = ['REQUESTID', 'CID', 'STATUS', 'AGE', 'NAME']

function row(pin: { requestid: string; created: string } & Parameters<typeof progressOf>[0]): string[] {
  const nowMs = Date.now()
  const age = duration(Math.max(0, nowMs - Date.parse(pin.created))).split(' ')[0] ?? ''
  return [pin.requestid, pin.pin.cid, progressOf(pin, nowMs), age, pin.pin.name ?? '']
}

function limitOf(text: string): number {
  const limit = Number(text)
  if (!/^\d+$/.test(text) || limit < 1) throw new WrongUse(`--limit ${text}: expected a whole number from 1`)
  return limit
}

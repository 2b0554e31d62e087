import { createReadStream } from 'node:fs'
import { AnchorageError } from '../../core/errors.ts'
import type { PinClient, PinFilters } from '../../http/client.ts'
import { argumentsOf, noMore, required } from '../arguments.ts'
import { eachLine } from '../lines.ts'
import { json, printable } from '../print.ts'
import { progress } from '../progress.ts'
import { WrongUse, type Io } from '../verb.ts'
import { everyPin } from './every-pin.ts'
import { filterOptions, filtersOf, type FilterValues } from './filters.ts'
import { serviceOf, serviceOptions, serviceUsage } from './service.ts'
import { inBatches, takeOver, type TakenOver } from './take-over.ts'
import { pinIn, pinOf, type Wish } from './wish.ts'

export const usage = `
Usage: anchorage pin import FILE [--json] [--url URL] [--token-file FILE]
       anchorage pin import --from URL --token-file FILE [--status queued,pinning,pinned,failed] [--name NAME] [--match …]
                            [--cid CID,…] [--meta KEY=VALUE]… [--json] [--url URL] [--into-token-file FILE]

Asks the service to pin what FILE lists, or what another service has (any of the Pinning Services API; its nodes are told as
origins, so that content is fetched from there while it lasts). FILE is NDJSON as pin export and pin ls --json write it;
a line with only a "cid" will do.

A pin that is there already, with the same CID, name and metadata, is passed over. So what was broken off is gone on with by the same command,
and running it twice adds nothing.
--from URL              the service to take from; --token-file is then of that service
--into-token-file FILE  beside --from: the token of the service at --url; without it ANCHORAGE_TOKEN does
--json                  prints {"added","there","refused"} at the end
Exit code 1 when a pin was refused; each is named on standard error.
${serviceUsage}`

const options = {
  ...serviceOptions,
  ...filterOptions,
  from: { type: 'string' },
  'into-token-file': { type: 'string' },
} as const

/** Takes over the pins of a file or of another service. */
export async function run(argv: string[], io: Io): Promise<number> {
  const { values, positionals } = argumentsOf(argv, options)
  const [file, ...more] = positionals
  noMore(more)
  const wishes = sourceOf(file, values, io)
  const into = targetOf(values, io)
  const shown = progress(io, values.json)
  const done = await takeOver(inBatches(wishes), into, {
    tell: (now) => shown.tell(summary(now)),
    refuse({ where }, why) {
      shown.done()
      io.err(`${printable(where)}: ${printable(why)}\n`)
    },
    signal: io.signal,
  })
  shown.done()
  io.out(values.json ? json(done) : `${summary(done)}\n`)
  return done.refused > 0 ? 1 : 0
}

function summary({ added, there, refused }: TakenOver): string {
  const [a, t, r] = [added, there, refused].map((count) => count.toLocaleString('en'))
  return `${a} added, ${t} were there, ${r} refused`
}

/** Where pins go. Beside --from it has a token file of its own. */
function targetOf({ from, 'into-token-file': file, ...values }: FromValues, io: Io): PinClient {
  if (from === undefined) return serviceOf(values, io)
  const { 'token-file': _theirs, ...ours } = values
  return serviceOf(file === undefined ? ours : { ...ours, 'token-file': file }, io)
}

/** What is to be pinned: the one of FILE and --from that was given. */
function sourceOf(file: string | undefined, values: FilterValues & FromValues, io: Io): AsyncIterable<Wish> {
  const { from, 'token-file': token, 'into-token-file': into, cid, name, match, status, meta } = values
  const filtered = [into, cid, name, match, status, meta].some((given) => given !== undefined)
  if (file !== undefined && from === undefined && !filtered) return wishesOfFile(file)
  if (file !== undefined || from === undefined)
    throw new WrongUse('expected either FILE, or --from URL with what belongs to it')
  const client = serviceOf({ url: from, 'token-file': required(token, '--token-file') }, io)
  return wishesOf(client, filtersOf(values), io)
}

interface FromValues {
  url?: string
  token?: string
  'token-file'?: string
  from?: string
  'into-token-file'?: string
}

async function* wishesOfFile(file: string): AsyncGenerator<Wish> {
  let number = 0
  try {
    for await (const line of eachLine(createReadStream(file, 'utf8'))) {
      number += 1
      if (line.trim() !== '') yield { where: `${file}:${number}`, pin: pinIn(line) }
    }
  } catch (cause) {
    throw new AnchorageError('invalid', `${file} cannot be read: ${String(cause)}`, { cause })
  }
}

async function* wishesOf(client: PinClient, filters: PinFilters, io: Io): AsyncGenerator<Wish> {
  for await (const { pins } of everyPin(client, filters, null, io.signal)) {
    for (const status of pins) yield { where: status.requestid, pin: pinOf(status) }
  }
}

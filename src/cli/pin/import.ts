import { createReadStream } from 'node:fs'
import { AnchorageError } from '../../core/errors.ts'
import type { PinClient, PinFilters } from '../../http/client.ts'
import { nonEmpty } from '../arguments.ts'
import { eachLine } from '../lines.ts'
import { json, printable } from '../print.ts'
import { progress } from '../progress.ts'
import { tellFailure } from '../report.ts'
import { verb, WrongUse, type Io } from '../verb.ts'
import { everyPin } from './every-pin.ts'
import { filtersOf, withFilters, type FilterValues } from './filters.ts'
import { serviceOf, type Given } from './service.ts'
import { inBatches, takeOver, type TakenOver } from './take-over.ts'
import { pinIn, pinOf, type Wish } from './wish.ts'

/** Imports the pins of a file or of another service. */
export const command = verb(
  {
    about: `Adds the pins that FILE lists, or the pins of another service of the Pinning Services API. The nodes of that service
become origins of the pins, so that content is fetched from them as long as they have it. FILE is NDJSON, as pin export and pin ls
--json write it. A line with only a "cid" is enough.

A pin that exists already, with the same CID, name and metadata, is skipped. So an interrupted import can be run again, and a second
import adds nothing. The exit code is 1 if the service refuses a pin; standard error names each of these pins.`,
    json: '{"added","there","refused"} at the end.',
    examples: [
      'pin import pins.ndjson',
      'pin import --from https://pins.example.com --token-file their.token',
    ],
  },
  (bare) =>
    withFilters(bare)
      .argument('[FILE]', 'the NDJSON file; instead of it, give --from, with filters')
      .option('--from <URL>', 'read from this service. Its token comes from --token-file', nonEmpty('--from'))
      .option(
        '--into-token-file <FILE>',
        'with --from: a file with the token of the service at --url (default: ANCHORAGE_TOKEN)',
      ),
  async ([file], values, io) => {
    const wishes = sourceOf(file, values, io)
    const into = targetOf(values, io)
    const shown = progress(io, io.json)
    const refused: Promise<void>[] = []
    const done = await takeOver(inBatches(wishes), into, {
      tell: (now) => shown.tell(summary(now)),
      refuse({ where }, why) {
        shown.done()
        refused.push(tellFailure(io, 'conflict', `${printable(where)}: ${printable(why)}`))
      },
      signal: io.signal,
    })
    await Promise.all(refused)
    shown.done()
    io.out(io.json ? json(done) : `${summary(done)}\n`)
    return done.refused > 0 ? 1 : 0
  },
)

function summary({ added, there, refused }: TakenOver): string {
  const [a, t, r] = [added, there, refused].map((count) => count.toLocaleString('en'))
  return `${a} added, ${t} existed already, ${r} refused`
}

/** The service that pins go to. With --from it has a token file of its own. */
function targetOf({ from, intoTokenFile: file, ...values }: FromValues, io: Io): PinClient {
  if (from === undefined) return serviceOf(values, io)
  const { tokenFile: _theirs, ...ours } = values
  return serviceOf(file === undefined ? ours : { ...ours, tokenFile: file }, io)
}

/** The pins to import, from FILE or --from. */
function sourceOf(file: string | undefined, values: FilterValues & FromValues, io: Io): AsyncIterable<Wish> {
  const { from, tokenFile, intoTokenFile: into, cid, name, match, status, meta } = values
  const filtered = [into, cid, name, match, status, meta].some((given) => given !== undefined)
  if (file !== undefined && from === undefined && !filtered) return wishesOfFile(file)
  if (file !== undefined || from === undefined)
    throw new WrongUse('expected either FILE alone, or --from URL with its options')
  if (tokenFile === undefined) throw new WrongUse('--token-file is missing')
  const client = serviceOf({ url: from, tokenFile }, io)
  return wishesOf(client, filtersOf(values), io)
}

interface FromValues extends Given {
  from?: string | undefined
  intoTokenFile?: string | undefined
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

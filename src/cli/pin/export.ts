import { createReadStream } from 'node:fs'
import { open, rename, stat, truncate } from 'node:fs/promises'
import { AnchorageError } from '../../core/errors.ts'
import type { PinClient, PinFilters, PinStatus } from '../../http/client.ts'
import { nonEmpty } from '../arguments.ts'
import { eachLine } from '../lines.ts'
import { json } from '../print.ts'
import { progress } from '../progress.ts'
import { verb, WrongUse, type Io } from '../verb.ts'
import { everyPin, placeAfter, type Place } from './every-pin.ts'
import { filtersOf, withFilters } from './filters.ts'
import { serviceOf, type Given } from './service.ts'

/** Writes pins to a file. */
export const command = verb(
  {
    about: `Writes the pins that match every given filter to FILE, newest first: one pin per line, as the service returns it
(NDJSON). Without --status, pins of every status match. Works with every service of the Pinning Services API. If an export is
interrupted, the same command continues it: until the export is complete, FILE is called FILE.partial.`,
    json: '{"file","pins"} at the end.',
    examples: [
      'pin export pins.ndjson',
      'pin export theirs.ndjson --from https://pins.example.com --token-file their.token',
    ],
  },
  (bare) =>
    withFilters(bare)
      .argument('<FILE>', 'the file to write; it must not exist yet')
      .option(
        '--from <URL>',
        'read from this service instead. Its token comes from --token-file; your own token is never sent there',
        nonEmpty('--from'),
      ),
  async ([file], { from, url, token, tokenFile, ...values }, io) => {
    const filters = filtersOf(values)
    const client = sourceOf({ from, url, token, tokenFile }, io)
    if (await stat(file).catch(() => null))
      throw new AnchorageError('conflict', `${file} exists already: an export does not overwrite files`)
    await write(file, client, filters, io)
  },
)

async function write(file: string, client: PinClient, filters: PinFilters, io: Io): Promise<void> {
  const partial = `${file}.partial`
  const shown = progress(io, io.json)
  const begun = await readPartial(partial)
  let { written } = begun
  if (written > 0 && !io.json)
    io.err(`continuing ${partial}, which has ${written} pins; to start from the beginning, remove it first\n`)
  await using out = await open(partial, 'a', 0o600)
  let of = 0
  for await (const { pins, count } of everyPin(client, filters, begun.place, io.signal)) {
    await out.appendFile(pins.map(json).join(''))
    of = Math.max(of, written + count)
    written += pins.length
    shown.tell(`${written.toLocaleString('en')} of ${of.toLocaleString('en')} pins`)
  }
  await out.sync()
  await rename(partial, file)
  shown.done()
  io.out(io.json ? json({ file, pins: written }) : `${file}: ${written} pins\n`)
}

/** The token in the environment belongs to our own service, so with --from it is never sent. */
function sourceOf({ from, ...values }: Given & { from?: string | undefined }, io: Io): PinClient {
  if (from === undefined) return serviceOf(values, io)
  if (values.url !== undefined) throw new WrongUse('expected --from or --url, not both')
  if (values.tokenFile === undefined) throw new WrongUse('--token-file is missing')
  return serviceOf({ url: from, tokenFile: values.tokenFile }, io)
}

/** How far an earlier run came. An incomplete last line is cut off. */
async function readPartial(partial: string): Promise<{ written: number; place: Place | null }> {
  const there = await stat(partial).catch(() => null)
  if (there === null) return { written: 0, place: null }
  let whole = 0
  let written = 0
  let place: Place | null = null
  for await (const line of eachLine(createReadStream(partial, 'utf8'))) {
    const length = Buffer.byteLength(line) + 1
    const pin = whole + length <= there.size ? statusIn(line) : null
    if (pin === null) break
    whole += length
    written += 1
    place = placeAfter([pin], place)
  }
  await truncate(partial, whole)
  return { written, place }
}

function statusIn(line: string): PinStatus | null {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}

import { isCode } from '../../core/errors.ts'
import type { PinClient, PinFilters } from '../../http/client.ts'
import { argumentsOf } from '../arguments.ts'
import { json } from '../print.ts'
import { WrongUse, type Io } from '../verb.ts'
import { filterOptions, filtersOf } from './filters.ts'
import { serviceOf, serviceOptions, serviceUsage } from './service.ts'

export const usage = `
Usage: anchorage pin rm REQUESTID… [--json] [--url URL] [--token-file FILE]
       anchorage pin rm --cid CID,… | --name NAME [--match …] | --status …  | --meta KEY=VALUE  [--force] [--json]

Removes pins: those named, or those that match every filter given. Prints the id of each one removed.
--force  needed when the filters match more than one pin
Exit code 1 when a pin was not there.
${serviceUsage}`

const options = { ...serviceOptions, ...filterOptions, force: { type: 'boolean' } } as const

/** Removes pins. */
export async function run(argv: string[], io: Io): Promise<number> {
  const { values, positionals } = argumentsOf(argv, options)
  const { cid, name, status, meta } = values
  const filtered = [cid, name, status, meta].some((given) => given !== undefined)
  if (filtered === positionals.length > 0) throw new WrongUse('expected either REQUESTIDs or filters')
  const filters = filtersOf(values)
  const client = serviceOf(values, io)
  const ids = filtered ? await matching(client, filters, values.force ?? false, io) : positionals
  let absent = 0
  for (const id of ids) {
    if (await remove(client, id, io.signal)) io.out(values.json ? json({ removed: id }) : `${id}\n`)
    else {
      absent += 1
      io.err(`${id}: there is no such pin\n`)
    }
  }
  return absent > 0 ? 1 : 0
}

async function matching(client: PinClient, filters: PinFilters, force: boolean, io: Io): Promise<string[]> {
  const { count } = await client.list({ ...filters, limit: 1 }, io.signal)
  if (count > 1 && !force) throw new WrongUse(`${count} pins match; --force removes them all`)
  const ids: string[] = []
  for await (const pin of client.all(filters, io.signal)) ids.push(pin.requestid)
  if (ids.length === 0) io.err('no pins match\n')
  return ids
}

async function remove(client: PinClient, id: string, signal: AbortSignal): Promise<boolean> {
  try {
    await client.remove(id, signal)
    return true
  } catch (error) {
    if (isCode(error, 'not_found')) return false
    throw error
  }
}

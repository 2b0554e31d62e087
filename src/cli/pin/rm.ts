import { isCode } from '../../core/errors.ts'
import type { PinClient, PinFilters } from '../../http/client.ts'
import { confirm } from '../confirm.ts'
import { json } from '../print.ts'
import { tellFailure } from '../report.ts'
import { verb, WrongUse, type Io } from '../verb.ts'
import { filtersOf, withFilters } from './filters.ts'
import { serviceOf } from './service.ts'

/** Removes pins. */
export const command = verb(
  {
    about: `Removes the pins with the given ids, or the pins that match every given filter. Prints the id of each removed pin. Asks
first if the filters match more than one pin. The exit code is 1 if one of the ids does not exist.`,
    json: '{"removed"} for each pin.',
    examples: ['pin rm pin_01h455vb4pex5vsknk084sn02q', 'pin rm --name photos --match partial --yes'],
  },
  (bare) =>
    withFilters(bare)
      .argument('[REQUESTID...]', 'ids of pins')
      .option('--force', 'do not ask; the same as --yes'),
  async ([named], { force, url, token, tokenFile, ...values }, io) => {
    const { cid, name, status, meta } = values
    const filtered = [cid, name, status, meta].some((given) => given !== undefined)
    if (filtered === named.length > 0) throw new WrongUse('expected either REQUESTIDs or filters')
    const client = serviceOf({ url, token, tokenFile }, io)
    const ids = filtered ? await matching(client, filtersOf(values), force ?? false, io) : named
    let absent = 0
    for (const id of ids) {
      if (await remove(client, id, io.signal)) io.out(io.json ? json({ removed: id }) : `${id}\n`)
      else {
        absent += 1
        await tellFailure(io, 'not_found', `${id}: there is no such pin`)
      }
    }
    return absent > 0 ? 1 : 0
  },
)

async function matching(client: PinClient, filters: PinFilters, force: boolean, io: Io): Promise<string[]> {
  const { count } = await client.list({ ...filters, limit: 1 }, io.signal)
  if (count > 1 && !force) {
    if (io.ask === undefined && !io.yes)
      throw new WrongUse(`${count} pins match; --force or --yes removes all of them`)
    await confirm(`${count} pins match, and all of them are removed`, io)
  }
  const ids: string[] = []
  for await (const pin of client.all(filters, io.signal)) ids.push(pin.requestid)
  if (ids.length === 0 && !io.json) io.err('no pins match\n')
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

import { pinClient, type PinClient } from '../../http/client.ts'
import { WrongUse, type Io } from '../verb.ts'

/** The options of every `pin` verb. */
export const serviceOptions = {
  url: { type: 'string' },
  token: { type: 'string' },
  json: { type: 'boolean' },
} as const

/** The lines of usage that every `pin` verb shares. */
export const serviceUsage = `
--url and --token name the service and the API token; without them ANCHORAGE_URL and ANCHORAGE_TOKEN do.
The URL is the base of the Pinning Services API, such as http://127.0.0.1:8080/v1.
`

/** A client of the service that flags or environment name. */
export function serviceOf(values: { url?: string; token?: string }, io: Io): PinClient {
  const url = values.url ?? io.env['ANCHORAGE_URL']
  const token = values.token ?? io.env['ANCHORAGE_TOKEN']
  if (!url) throw new WrongUse('which service? Give --url or set ANCHORAGE_URL')
  if (!URL.canParse(url))
    throw new WrongUse(`${url} is not a URL; expected one such as http://127.0.0.1:8080/v1`)
  if (!token) throw new WrongUse('no API token: give --token or set ANCHORAGE_TOKEN')
  return pinClient({ url, token })
}

import { readFileSync } from 'node:fs'
import { pinClient, type PinClient } from '../../http/client.ts'
import { WrongUse, type Io } from '../verb.ts'

/** The options of every `pin` verb. */
export const serviceOptions = {
  url: { type: 'string' },
  /** Known so that it is refused with what to do instead. */
  token: { type: 'string' },
  'token-file': { type: 'string' },
  json: { type: 'boolean' },
} as const

/** The lines of usage that every `pin` verb shares. */
export const serviceUsage = `
--url names the service, --token-file a file that holds the API token; without them ANCHORAGE_URL and ANCHORAGE_TOKEN do.
The URL is the base of the Pinning Services API, such as http://127.0.0.1:8080/v1.
`

/** What the options of `serviceOptions` say of the service. */
interface Given {
  url?: string
  token?: string
  'token-file'?: string
}

/** A client of the service that flags or environment name. */
export function serviceOf(values: Given, io: Io): PinClient {
  const url = values.url ?? io.env['ANCHORAGE_URL']
  if (values.token !== undefined)
    throw new WrongUse(
      'a token is not given as a flag, which everybody on this machine can read; set ANCHORAGE_TOKEN or give --token-file FILE',
    )
  const file = values['token-file']
  const token = file === undefined ? io.env['ANCHORAGE_TOKEN'] : tokenIn(file)
  if (!url) throw new WrongUse('which service? Give --url or set ANCHORAGE_URL')
  if (!URL.canParse(url))
    throw new WrongUse(`${url} is not a URL; expected one such as http://127.0.0.1:8080/v1`)
  if (!token) throw new WrongUse('no API token: set ANCHORAGE_TOKEN or give --token-file FILE')
  return pinClient({ url, token })
}

function tokenIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw new WrongUse(
      `--token-file cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
    )
  }
}

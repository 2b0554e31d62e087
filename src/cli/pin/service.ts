import { readFileSync } from 'node:fs'
import type { Command } from '@commander-js/extra-typings'
import { pinClient, type PinClient } from '../../http/client.ts'
import { WrongUse, type Io } from '../verb.ts'

/** Declares the options that every `pin` verb has. */
export function withService(bare: Command) {
  const group = 'Service:'
  return bare
    .addOption(
      bare
        .createOption(
          '--url <URL>',
          'base URL of its API, such as http://127.0.0.1:8080/v1 (default: ANCHORAGE_URL)',
        )
        .helpGroup(group),
    )
    .addOption(
      bare
        .createOption('--token-file <FILE>', 'a file with the API token (default: ANCHORAGE_TOKEN)')
        .helpGroup(group),
    )
    .addOption(
      // Declared so that it can be refused, with what to do instead.
      bare.createOption('--token <TOKEN>').hideHelp(),
    )
}

/** The values of these options. */
export interface Given {
  url?: string | undefined
  token?: string | undefined
  tokenFile?: string | undefined
}

/** A client of the service that the flags or the environment name. */
export function serviceOf(values: Given, io: Pick<Io, 'env'>): PinClient {
  const url = values.url ?? io.env['ANCHORAGE_URL']
  if (values.token !== undefined)
    throw new WrongUse(
      'a token is not given as a flag, because every user of this machine can read flags: set ANCHORAGE_TOKEN or give --token-file FILE',
    )
  const file = values.tokenFile
  const token = file === undefined ? io.env['ANCHORAGE_TOKEN'] : tokenIn(file)
  if (!url) throw new WrongUse('no service URL: give --url or set ANCHORAGE_URL')
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

import { argumentsOf, noMore, required } from '../arguments.ts'
import { json } from '../print.ts'
import type { Io } from '../verb.ts'
import { metaOf } from './filters.ts'
import { follow } from './follow.ts'
import { serviceOf, serviceOptions, serviceUsage } from './service.ts'

export const usage = `
Usage: anchorage pin add CID [--name NAME] [--origin MULTIADDR]… [--meta KEY=VALUE]…
                             [--background] [--json] [--url URL] [--token-file FILE]

Asks the service to pin CID, and follows it until it is pinned (exit code 0) or has failed (1).
--origin     an address ending in /p2p/… where the content is; may be given up to 20 times
--background (or --no-wait) returns once the service has accepted the pin, and prints its id
--json       prints the pin as the service tells it, in one line, at the end
${serviceUsage}`

const options = {
  ...serviceOptions,
  name: { type: 'string' },
  origin: { type: 'string', multiple: true },
  meta: { type: 'string', multiple: true },
  background: { type: 'boolean' },
  'no-wait': { type: 'boolean' },
} as const

/** Pins a CID and follows it. */
export async function run(argv: string[], io: Io): Promise<number> {
  const { values, positionals } = argumentsOf(argv, options)
  const [given, ...more] = positionals
  noMore(more)
  const { name, origin: origins, meta } = values
  const client = serviceOf(values, io)
  const asked = {
    cid: required(given, 'CID'),
    ...(name === undefined ? {} : { name }),
    ...(origins === undefined ? {} : { origins }),
    ...(meta === undefined ? {} : { meta: metaOf(meta) }),
  }
  const accepted = await client.add(asked, io.signal)
  const asJson = values.json ?? false
  if (values.background || values['no-wait']) {
    io.out(asJson ? json(accepted) : `${accepted.requestid}\n`)
    return 0
  }
  if (!asJson) io.out(`${accepted.requestid}\n`)
  const pin = await follow(client, accepted, io, asJson)
  if (asJson) io.out(json(pin))
  if (pin.status === 'failed')
    io.err(`failed: ${pin.info?.['status_details'] ?? 'the service gives no reason'}\n`)
  if (io.signal.aborted)
    io.err(`the service goes on with it; anchorage pin status ${pin.requestid} tells how it stands\n`)
  return pin.status === 'pinned' ? 0 : 1
}

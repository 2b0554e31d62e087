import { argumentsOf, noMore, required } from '../arguments.ts'
import { json } from '../print.ts'
import type { Io } from '../verb.ts'
import { follow } from './follow.ts'
import { serviceOf, serviceOptions, serviceUsage } from './service.ts'
import { inFull } from './show.ts'

export const usage = `
Usage: anchorage pin status REQUESTID [--wait] [--json] [--url URL] [--token-file FILE]

Shows everything the service tells of a pin. Exit code 1 when it has failed.
--wait  follows it until it is pinned or has failed
${serviceUsage}`

/** Shows a pin in full. */
export async function run(argv: string[], io: Io): Promise<number> {
  const { values, positionals } = argumentsOf(argv, { ...serviceOptions, wait: { type: 'boolean' } })
  const [given, ...more] = positionals
  noMore(more)
  const client = serviceOf(values, io)
  const asJson = values.json ?? false
  const now = await client.get(required(given, 'REQUESTID'), io.signal)
  const pin = values.wait ? await follow(client, now, io, asJson) : now
  io.out(asJson ? json(pin) : inFull(pin, Date.now()))
  return pin.status === 'failed' ? 1 : 0
}

import { once } from 'node:events'
import { createServer, type ListenOptions } from 'node:net'
import type { Config } from '../config/config.ts'
import type { ConfigKey } from '../config/keys.ts'
import type { ListenAddress } from '../config/kinds.ts'
import { AnchorageError } from '../core/errors.ts'

/** Rejects `unavailable`, with what to do, when a port that this node's nats-server is to have is in use. */
export async function assertNatsPortsFree({ nats }: Config): Promise<void> {
  const ports: [option: ConfigKey, address: ListenAddress | undefined][] = [
    ['nats.clientPort', { host: '127.0.0.1', port: nats.clientPort }],
    ['nats.cluster.listen', nats.cluster.listen],
  ]
  for (const [option, address] of ports) {
    if (address === undefined) continue
    const refusal = await refusalOf({ ...address, exclusive: true })
    if (refusal !== null) throw inUse(address, option, refusal)
  }
}

/** Null when the address can be listened on now; else the error's code. */
export async function refusalOf(options: ListenOptions): Promise<string | null> {
  const server = createServer().listen(options)
  try {
    await once(server, 'listening')
    return null
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  } finally {
    server.close()
  }
}

/** The error that a start is refused with when it cannot listen on an address, with what to do. */
export function inUse(
  { host, port }: ListenAddress,
  option: ConfigKey,
  why: string,
  cause?: unknown,
): AnchorageError {
  return new AnchorageError(
    'unavailable',
    `cannot listen on ${host}:${port}: free this address, or change ${option}: ${why}`,
    { cause },
  )
}

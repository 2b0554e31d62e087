import { once } from 'node:events'
import { createServer, type ListenOptions } from 'node:net'
import type { Config } from '../config/config.ts'
import type { ConfigKey } from '../config/keys.ts'
import type { ListenAddress } from '../config/kinds.ts'
import { AnchorageError } from '../core/errors.ts'
import { earlyServer, type EarlyServer } from '../http/starting.ts'

/** The addresses of this node's HTTP, which it has before it changes anything anywhere. */
export interface EarlyPorts {
  api: EarlyServer
  /** Null when the metrics have no address of their own. */
  metrics: EarlyServer | null
}

/**
 * Takes the addresses of the API and of the metrics. Requests there are answered that the node is starting. Rejects `unavailable`, with
 * what to do, when an address is in use. Disposing `undo` closes what was not closed before.
 */
export async function takePorts({ http, metrics }: Config, undo: AsyncDisposableStack): Promise<EarlyPorts> {
  return {
    api: await taken(http.listen, 'http.listen', undo),
    metrics: metrics.listen === undefined ? null : await taken(metrics.listen, 'metrics.listen', undo),
  }
}

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

async function taken(
  { host, port }: ListenAddress,
  option: ConfigKey,
  undo: AsyncDisposableStack,
): Promise<EarlyServer> {
  const early = earlyServer()
  const { server } = early
  undo.defer(() => {
    server.close()
    server.closeAllConnections()
  })
  try {
    server.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port })
    await once(server, 'listening')
    return early
  } catch (cause) {
    throw inUse({ host, port }, option, String(cause), cause)
  }
}

function inUse(
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

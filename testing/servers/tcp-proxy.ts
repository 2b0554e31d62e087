import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A way to a server on this machine that a test can cut. Its clients reach the server at `port`. */
export interface TcpProxy extends AsyncDisposable {
  port: number
  /**
   * `silent`: no byte passes in either direction, also on new connections, as when a network drops packets. `refused`: all connections are
   * reset, and so is each new one.
   */
  cut(how: 'silent' | 'refused'): void
  /** Lets everything pass again, also what was held back. */
  heal(): void
}

/** Starts a proxy before the server at `target`, a port of this machine. */
export async function tcpProxy(target: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let fault: 'silent' | 'refused' | null = null

  const join = (client: Socket): void => {
    if (fault === 'refused') return void client.resetAndDestroy()
    const server = connect(target, '127.0.0.1')
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(from)
      from.on('data', (bytes) => to.write(bytes))
      from.on('end', () => to.end())
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      if (fault === 'silent') from.pause()
    }
  }
  const proxy = createServer({ allowHalfOpen: true }, join)
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const { port } = proxy.address() as AddressInfo

  return {
    port,
    cut(how) {
      fault = how
      for (const socket of sockets)
        if (how === 'silent') socket.pause()
        else socket.resetAndDestroy()
    },
    heal() {
      fault = null
      for (const socket of sockets) socket.resume()
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      proxy.close()
      await once(proxy, 'close')
    },
  }
}

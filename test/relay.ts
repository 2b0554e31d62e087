import { strict as assert } from 'node:assert'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { pipeline } from 'node:stream/promises'

/** A slow network connection: a TCP relay on loopback with a limit on the bytes that come back through it. */
export interface Relay extends AsyncDisposable {
  port: number
  /** Bytes received from the far end so far. */
  received(): number
}

/** Relays connections to `port`; data from the far end passes at `bytesPerSecond` for all connections together. */
export async function startRelay(port: number, bytesPerSecond: number): Promise<Relay> {
  let received = 0
  let freeAt = 0
  const sockets = new Set<Socket>()

  async function* slowed(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      received += chunk.length
      freeAt = Math.max(freeAt, performance.now()) + (chunk.length / bytesPerSecond) * 1000
      await sleep(Math.max(0, freeAt - performance.now()))
      yield chunk
    }
  }

  const server = createServer((near) => {
    const far = connect({ host: '127.0.0.1', port })
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    }
    pipeline(near, far).catch(() => near.destroy())
    pipeline(far, slowed, near).catch(() => far.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return {
    port: address.port,
    received: () => received,
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

import { once } from 'node:events'
import { createServer } from 'node:net'
import { AnchorageError } from '../core/errors.ts'

/** True when a server could listen on this port of loopback now. */
export async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen({ host: '127.0.0.1', port, exclusive: true })
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}

/**
 * A port that is free now and lies below the range from which the system takes local ports for outgoing connections, so that it is still
 * free when a server comes back to it. `taken` are ports already promised.
 */
export async function freePort(taken: ReadonlySet<number> = new Set()): Promise<number> {
  for (let tries = 0; tries < 200; tries++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    if (!taken.has(port) && (await isFree(port))) return port
  }
  throw new AnchorageError('unavailable', 'there is no free port on 127.0.0.1 between 20000 and 31999')
}

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/** Records which sockets were dialled. */
export interface Watch extends AsyncDisposable {
  /** Port → the addresses at which it was dialled (`udp` when the address is not known); for a socket file, its path → itself. */
  seen(): Record<string, string[]>
}

/** Listens at every address of the machine, over TCP and UDP, at each of `ports`, and at `path`; records each connection and closes it. */
export async function watchDials(ports: readonly number[], path: string): Promise<Watch> {
  const dialled = new Map<string, Set<string>>()
  const note = (where: string | number, address: string): void => {
    const key = String(where)
    dialled.set(key, (dialled.get(key) ?? new Set()).add(address))
  }
  const stack = new AsyncDisposableStack()
  const listen = async (where: string | number, server: Server): Promise<void> => {
    server.on('connection', (socket) => {
      note(where, socket.localAddress?.replace(/^::ffff:/, '') ?? String(where))
      socket.on('error', () => {}).destroy()
    })
    await once(typeof where === 'number' ? server.listen(where, '::') : server.listen(where), 'listening')
    stack.defer(() => void server.close())
  }
  await listen(path, createServer())
  for (const port of ports) {
    await listen(port, createServer())
    const udp = createSocket('udp6')
    udp.on('message', () => note(port, 'udp'))
    udp.bind(port, '::')
    await once(udp, 'listening')
    stack.defer(() => void udp.close())
  }
  return {
    seen: () => Object.fromEntries([...dialled].map(([where, addresses]) => [where, [...addresses].sort()])),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

import { once } from 'node:events'
import { Server, type Socket } from 'node:net'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'

/**
 * How long idle connections are kept while closing; requests on them are answered that this node is stopping. A client that sends a request
 * just as its connection is closed sees only a reset, and cannot know whether the request was handled.
 */
const noticeMs = 1_000

/**
 * Makes `app.close()` graceful and bounded: new connections are refused, requests under way have `graceMs` to finish, and idle connections
 * are closed after `noticeMs`. Returns a function that says whether the server is closing.
 */
export function closeGently(app: FastifyInstance, graceMs: number): () => boolean {
  const sockets = new Set<Socket>()
  let closing = false

  app.server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  app.addHook('preClose', async () => {
    closing = true
    if (!app.server.listening) return
    const ended = once(app.server, 'close')
    await hearWhatHasArrived()
    // The `close` of HTTP servers would also close idle connections at once.
    Server.prototype.close.call(app.server)
    const timer = setTimeout(() => app.server.closeAllConnections(), Math.max(graceMs, noticeMs))
    const noticed = performance.now() + noticeMs
    while (sockets.size > 0 && performance.now() < noticed) await sleep(20)
    // Node does not count a connection without any request as idle, and does not end a connection after its last answer.
    app.server.keepAliveTimeout = 1
    await hearWhatHasArrived()
    app.server.closeIdleConnections()
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    await ended
    clearTimeout(timer)
  })
  return () => closing
}

/**
 * Lets the server accept the connections, and begin the requests, that the kernel has already received for it. On a busy machine they wait
 * there, and closing now would reset them. The first turn of the event loop may only end a poll that began earlier; the second has a poll
 * of its own.
 */
async function hearWhatHasArrived(): Promise<void> {
  await turn()
  await turn()
}

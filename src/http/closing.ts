import { once } from 'node:events'
import { Server, type Socket } from 'node:net'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'

/**
 * For so long connections that rest are kept, and a request on one is told to go elsewhere: a client that asks just as its
 * connection is closed learns nothing but that it was reset, and cannot know whether it was heard.
 */
const noticeMs = 1_000

/**
 * Makes `app.close()` end, and gently: nobody new is let in, requests under way have `graceMs` to finish, connections without one
 * end after a moment in which they may still be told. Returns whether the server is closing.
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
    // That of HTTP servers would close what is idle, too, at once.
    Server.prototype.close.call(app.server)
    const timer = setTimeout(() => app.server.closeAllConnections(), Math.max(graceMs, noticeMs))
    const noticed = performance.now() + noticeMs
    while (sockets.size > 0 && performance.now() < noticed) await sleep(20)
    // Node neither counts a connection that never asked, nor ends one after its last answer.
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
 * Lets the server accept the connections, and begin the requests, that the machine has taken for it already: on a busy machine they
 * wait there, and closing now would reset them. The first turn may end a look at the sockets that began before, the second has one
 * of its own.
 */
async function hearWhatHasArrived(): Promise<void> {
  await turn()
  await turn()
}

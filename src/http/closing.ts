import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'

/**
 * For so long connections that rest are kept, and a request on one is told to go elsewhere: a client that asks just as its
 * connection is closed learns nothing but that it was reset, and cannot know whether it was heard.
 */
const noticeMs = 1_000

/**
 * Makes `app.close()` end, and gently: requests under way have `graceMs` to finish, connections without one end after a moment in
 * which they may still be told. Returns whether the server is closing.
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
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    const noticed = performance.now() + noticeMs
    while (sockets.size > 0 && performance.now() < noticed) await sleep(20)
    // Node closes what is idle now. It neither counts a connection that never asked, nor ends one after its last answer,
    // and from here on it no longer looks at timeouts.
    app.server.keepAliveTimeout = 1
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    const timer = setTimeout(() => app.server.closeAllConnections(), graceMs)
    app.server.once('close', () => clearTimeout(timer))
  })
  return () => closing
}

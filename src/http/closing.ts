import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

/**
 * Makes `app.close()` end, and gently: requests under way have `graceMs` to finish, connections without one end at once.
 * Returns whether the server is closing.
 */
export function closeGently(app: FastifyInstance, graceMs: number): () => boolean {
  const sockets = new Set<Socket>()
  let closing = false

  app.server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  app.addHook('preClose', (done) => {
    closing = true
    // Node closes what is idle now. It neither counts a connection that never asked, nor ends one after its last answer,
    // and from here on it no longer looks at timeouts.
    app.server.keepAliveTimeout = 1
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    const timer = setTimeout(() => app.server.closeAllConnections(), graceMs)
    app.server.once('close', () => clearTimeout(timer))
    done()
  })
  return () => closing
}

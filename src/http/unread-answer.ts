import type { Server } from 'node:http'

/**
 * Cuts off a client that has not read the whole answer `answerTimeoutMs` after its request's head came in: until it has, the answer
 * is kept in memory, and its share of the server with it.
 */
export function endUnreadAnswers(server: Server, { answerTimeoutMs }: { answerTimeoutMs: number }): void {
  server.on('request', (request, response) => {
    const timer = setTimeout(() => request.socket.destroy(), answerTimeoutMs).unref()
    response.once('close', () => clearTimeout(timer))
  })
}

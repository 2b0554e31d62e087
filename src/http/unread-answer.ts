import type { Server } from 'node:http'

/**
 * Cuts off a client that has not read its whole answer `answerTimeoutMs` after the head of its request arrived. Until then the answer takes
 * memory, and the request keeps its turn among those of its org.
 */
export function endUnreadAnswers(server: Server, { answerTimeoutMs }: { answerTimeoutMs: number }): void {
  server.on('request', (request, response) => {
    const timer = setTimeout(() => request.socket.destroy(), answerTimeoutMs).unref()
    response.once('close', () => clearTimeout(timer))
  })
}

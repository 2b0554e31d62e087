import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { HttpLimits } from './http-limits.ts'

type Bounds = Pick<HttpLimits, 'maxUnreadBytes' | 'unreadGraceMs'>

const lookEveryMs = 20

/**
 * Reads and discards what a client still sends of a body after its answer. Closing the socket at once, with bytes arriving, would reset the
 * connection, and the client would never read why it was refused. A client that sends for longer, or more, than `bounds` allows is cut off.
 */
export function discardUnread(server: Server, bounds: Bounds): void {
  server.on('request', (request, response) => {
    // Runs before Node's own listener, which closes the socket of an answer with `connection: close`.
    response.prependOnceListener('finish', () => {
      if (!request.complete && !request.socket.destroyed) discardRest(request, bounds)
    })
  })
}

function discardRest(request: IncomingMessage, { maxUnreadBytes, unreadGraceMs }: Bounds): void {
  const { socket } = request
  const lastByte = socket.bytesRead + maxUnreadBytes
  const deadline = performance.now() + unreadGraceMs
  const look = setInterval(() => {
    if (request.complete) finish()
    else if (socket.bytesRead > lastByte || performance.now() > deadline) socket.destroy()
  }, lookEveryMs)
  const stop = () => clearInterval(look)
  socket.once('close', stop)
  const closing = endsInsteadOfClosing(socket)
  const finish = () => {
    stop()
    socket.off('close', stop)
    closing.restore()
    if (socket.writableEnded) socket.destroySoon()
  }
  request.once('end', finish)
  request.resume()
}

/** Until restored, a close of `socket` by Node ends only our side: what arrives is still read. */
function endsInsteadOfClosing(socket: Socket): { restore(): void } {
  socket.destroySoon = () => void socket.end()
  return { restore: () => void Reflect.deleteProperty(socket, 'destroySoon') }
}

import { once } from 'node:events'
import { connect } from 'node:net'
import type { Answer } from '../testing/clients/api.ts'

/**
 * Writes raw bytes to a server and reads one answer: for requests that no well-behaved client can send. `status` is 0 when the answer
 * is not HTTP.
 */
export async function rawRequest(base: string, bytes: string | Uint8Array): Promise<Answer> {
  const { hostname, port } = new URL(base)
  const socket = connect({ host: hostname, port: Number(port) })
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => {
    chunks.push(chunk)
    if (isWhole(Buffer.concat(chunks).toString('latin1'))) socket.destroy()
  })
  // a server may refuse and close the connection while a long request is still being sent
  socket.on('error', () => socket.destroy())
  socket.setTimeout(10_000, () => socket.destroy())
  socket.write(bytes)
  await once(socket, 'close')
  return parsed(Buffer.concat(chunks).toString('utf8'))
}

/** A complete request as text: `METHOD /path` with a token. */
export function requestText(
  method: string,
  path: string,
  token: string,
  headers: string[] = [],
  body = '',
): string {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'host: localhost',
    `authorization: Bearer ${token}`,
    ...headers,
  ]
  return `${[...lines, 'connection: close', `content-length: ${Buffer.byteLength(body)}`].join('\r\n')}\r\n\r\n${body}`
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  const length = /^content-length: *(\d+)/im.exec(text.slice(0, end))?.[1]
  return end >= 0 && length !== undefined && text.length - end - 4 >= Number(length)
}

function parsed(text: string): Answer {
  const end = text.indexOf('\r\n\r\n')
  const [start = '', ...lines] = text.slice(0, Math.max(end, 0)).split('\r\n')
  const headers = new Headers()
  for (const line of lines)
    headers.append(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim())
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(start)?.[1] ?? 0), headers, text: text.slice(end + 4) }
}

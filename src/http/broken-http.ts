import { STATUS_CODES, ServerResponse } from 'node:http'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { failure } from './errors.ts'
import { forAnyPage } from './greet.ts'

type Head = Record<string, string>

interface Refusal {
  status: number
  reason: string
  details: string
}

const jsonType = 'application/json; charset=utf-8'
const noTunnel: Refusal = { status: 405, reason: 'METHOD_NOT_ALLOWED', details: 'this server is not a proxy' }
const unmet: Refusal = {
  status: 417,
  reason: 'EXPECTATION_FAILED',
  details: 'the expect header must be 100-continue',
}
const malformed: Refusal = { status: 400, reason: 'BAD_REQUEST', details: 'this is not well-formed HTTP/1.1' }
const byCode: Record<string, Refusal> = {
  HPE_INVALID_URL: {
    ...malformed,
    details: 'percent-encode the path and query: they must be plain ASCII without blanks',
  },
  HPE_HEADER_OVERFLOW: {
    status: 431,
    reason: 'REQUEST_HEADER_FIELDS_TOO_LARGE',
    details: 'the request line and headers together are too long; use fewer filters',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    reason: 'PAYLOAD_TOO_LARGE',
    details: 'the chunk extensions are too long',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    reason: 'REQUEST_TIMEOUT',
    details: 'the request did not arrive in time',
  },
}

/**
 * How long a socket stays open after the answer. Closing it at once, with bytes still arriving, would reset the connection before the
 * client has read the answer.
 */
const lingerMs = 1_000

/**
 * Answers bytes that the parser could not read. There is no request yet, so the answer is written to the socket by hand, with `rules` in
 * its head. Then the socket is closed.
 */
export function answerBrokenHttp(rules: Head): (error: NodeJS.ErrnoException, socket: Socket) => void {
  return (error, socket) => {
    if (socket.destroyed || error.code === 'ECONNRESET') return
    // While an earlier request is being answered, the client would read these bytes as a part of that answer.
    if (isAnswering(socket)) return void socket.destroy()
    // After the first error the socket is ended already. Further bytes are thrown away until the client stops or `lingerMs` is over.
    if (!socket.writable) return
    socket.end(answer(byCode[error.code ?? ''] ?? malformed, rules))
    setTimeout(() => socket.destroy(), lingerMs).unref()
  }
}

/** Answers requests that Node itself would refuse without a body: tunnels, and expectations other than `100-continue`. */
export function answerUnusualHttp(server: Server, rules: Head): void {
  server.on('connect', (_request, socket) => socket.end(answer(noTunnel, rules)))
  server.on('checkExpectation', (request) => request.socket.end(answer(unmet, rules)))
}

function isAnswering(socket: Socket): boolean {
  const response: unknown = Reflect.get(socket, '_httpMessage')
  return response instanceof ServerResponse && response.headersSent
}

function answer({ status, reason, details }: Refusal, rules: Head): string {
  const body = JSON.stringify(failure(reason, details))
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `content-type: ${jsonType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    ...Object.entries({ ...rules, ...forAnyPage }).map((header) => header.join(': ')),
    'connection: close',
    '',
    body,
  ].join('\r\n')
}

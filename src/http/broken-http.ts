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
const noTunnel: Refusal = { status: 405, reason: 'METHOD_NOT_ALLOWED', details: 'this server is no proxy' }
const unmet: Refusal = {
  status: 417,
  reason: 'EXPECTATION_FAILED',
  details: 'only 100-continue can be expected',
}
const malformed: Refusal = { status: 400, reason: 'BAD_REQUEST', details: 'this is not well-formed HTTP/1.1' }
const byCode: Record<string, Refusal> = {
  HPE_INVALID_URL: {
    ...malformed,
    details: 'the path and query must be percent-encoded: plain ASCII, no blanks',
  },
  HPE_HEADER_OVERFLOW: {
    status: 431,
    reason: 'REQUEST_HEADER_FIELDS_TOO_LARGE',
    details: 'the request line and headers together are too long; filter by less',
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

/** A socket closed at once, with bytes still arriving, resets the connection before the client has read why. */
const lingerMs = 1_000

/**
 * Answers what the parser could not read, where there is no request yet: the answer is written by hand, with `rules` in its head, then the
 * socket closed.
 */
export function answerBrokenHttp(rules: Head): (error: NodeJS.ErrnoException, socket: Socket) => void {
  return (error, socket) => {
    if (socket.destroyed || error.code === 'ECONNRESET') return
    // With an answer to an earlier request under way, these bytes would pass for a part of it.
    if (isAnswering(socket)) return void socket.destroy()
    // What comes after the first error is more of the same, thrown away until the client stops or the time is up.
    if (!socket.writable) return
    socket.end(answer(byCode[error.code ?? ''] ?? malformed, rules))
    setTimeout(() => socket.destroy(), lingerMs).unref()
  }
}

/** Answers what Node would refuse by itself, without a body: tunnels, and expectations other than `100-continue`. */
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

import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AnchorageError } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { Log } from '../core/ports.ts'
import type { Greeting } from './greet.ts'
import { defaultLimits } from './http-limits.ts'
import type { NoteRefusal } from './refusals.ts'
import type { Failure } from './spec/schema.ts'

/** A refusal as it is sent to the client. */
interface Refusal {
  status: number
  reason: string
  details: string
}

const byCode: Record<Exclude<ErrorCode, 'internal'>, Pick<Refusal, 'status' | 'reason'>> = {
  invalid: { status: 400, reason: 'BAD_REQUEST' },
  unauthenticated: { status: 401, reason: 'UNAUTHORIZED' },
  forbidden: { status: 403, reason: 'FORBIDDEN' },
  not_found: { status: 404, reason: 'NOT_FOUND' },
  conflict: { status: 409, reason: 'CONFLICT' },
  over_quota: { status: 409, reason: 'INSUFFICIENT_FUNDS' },
  too_many: { status: 429, reason: 'TOO_MANY_REQUESTS' },
  unavailable: { status: 503, reason: 'SERVICE_UNAVAILABLE' },
  maintenance: { status: 503, reason: 'MAINTENANCE' },
  not_leading: { status: 409, reason: 'CONFLICT' },
}

/** Our texts for requests that Fastify itself refuses. */
const byStatus: Record<number, Pick<Refusal, 'reason' | 'details'>> = {
  400: { reason: 'BAD_REQUEST', details: 'the request cannot be understood' },
  413: {
    reason: 'PAYLOAD_TOO_LARGE',
    details: `the body is too large: at most ${defaultLimits.maxBodyBytes >> 10} KiB`,
  },
  415: { reason: 'UNSUPPORTED_MEDIA_TYPE', details: 'send the body as application/json' },
}

const defaultRetryAfterSeconds = 1

/** A body of a kind that no route reads: 415. `message` says which kind it is, and what to send. */
export class UnsupportedBody extends Error {
  readonly statusCode = 415
}

/** The `reason` in the body of an answer with this error code. */
export function reasonOf(code: ErrorCode): string {
  return code === 'internal' ? 'INTERNAL_SERVER_ERROR' : byCode[code].reason
}

/** The body of every answer of 400 or above. */
export function failure(reason: string, details: string): Failure {
  return { error: { reason, details } }
}

/** Answers every error that a hook or a handler throws. Details that a stranger must not see go only to the log. */
export function answerErrors(app: FastifyInstance, note: NoteRefusal, log: Log): void {
  app.setErrorHandler<FastifyError | AnchorageError | UnsupportedBody>((error, request, reply) => {
    const refusal = refusalOf(error, request)
    if (refusal.status >= 500) noteTrouble(log, error, request, refusal.status)
    else note(request, error, refusal.status)
    if (refusal.status === 401) reply.header('www-authenticate', 'Bearer')
    if (refusal.status === 429 || refusal.status === 503) retryAfter(reply, error)
    return reply.code(refusal.status).send(failure(refusal.reason, refusal.details))
  })
}

/** Answers a path that cannot be decoded with 404: nothing has such a name. Fastify refuses it before any hook runs. */
export function answerBadPath(
  greeting: Greeting,
): (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => void {
  return (_error, request, reply) => {
    reply.code(404).headers(greeting(request))
    reply.send(failure('NOT_FOUND', 'there is nothing at this path: its percent-encoding is not valid UTF-8'))
  }
}

function refusalOf(error: FastifyError | AnchorageError | UnsupportedBody, request: FastifyRequest): Refusal {
  if (error instanceof AnchorageError) {
    if (error.code !== 'internal') return { ...byCode[error.code], details: error.message }
  } else if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return {
      status: error.statusCode,
      reason: 'BAD_REQUEST',
      details: 'the request is refused',
      ...byStatus[error.statusCode],
      ...(error instanceof UnsupportedBody && { details: error.message }),
    }
  }
  const details = `the service failed; if this happens again, tell the operator the id of this request: ${request.id}`
  return { status: 500, reason: reasonOf('internal'), details }
}

function noteTrouble(log: Log, err: Error, request: FastifyRequest, status: number): void {
  const fields = {
    requestId: request.id,
    method: request.method,
    route: request.routeOptions.url,
    status,
    err,
  }
  if (status === 503) log.warn(fields, 'a request could not be served at the moment')
  else log.error(fields, 'a request failed')
}

function retryAfter(reply: FastifyReply, error: unknown): void {
  const seconds = error instanceof AnchorageError ? error.retryAfterSeconds : undefined
  reply.header('retry-after', String(Math.max(1, Math.ceil(seconds ?? defaultRetryAfterSeconds))))
}

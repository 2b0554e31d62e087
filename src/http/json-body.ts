import { isUtf8 } from 'node:buffer'
import { setImmediate as others } from 'node:timers/promises'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AnchorageError } from '../core/errors.ts'
import { UnsupportedBody } from './errors.ts'
import { quoted } from './invalid.ts'

/**
 * Accepts only bodies in JSON and UTF-8; other media types and content encodings are refused with 415. Keys such as `__proto__` are plain
 * text, since bodies are never merged into objects. Without a body the `content-type` is ignored, and a route that needs a body reports
 * that it is missing.
 */
export function readJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addHook('preParsing', (request, _reply, payload, done) => {
    if (hasNoBody(request)) Reflect.deleteProperty(request.headers, 'content-type')
    else demandNoEncoding(request)
    done(null, payload)
  })
  const nextLarge = oneByOne()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_request: FastifyRequest, body: string | Buffer) => {
      if (body.length > smallBodyBytes) await nextLarge()
      return parsed(typeof body === 'string' ? Buffer.from(body) : body)
    },
  )
  app.addHook('preValidation', (request, _reply, done) => {
    const isMissing = request.body === undefined && request.routeOptions.schema?.body !== undefined
    done(isMissing ? new AnchorageError('invalid', 'the body: missing; it must be given') : undefined)
  })
}

/** Parsing and validating a larger body takes so long that many in a row would delay other requests. */
const smallBodyBytes = 16 << 10

/** Lets callers continue one after the other, and other work of the process run between them. */
function oneByOne(): () => Promise<unknown> {
  let last: Promise<unknown> = Promise.resolve()
  return () => (last = last.then(() => others()))
}

function hasNoBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0
}

function demandNoEncoding({ headers }: FastifyRequest): void {
  const encoding = headers['content-encoding'] ?? ''
  if (/^ *(identity)? *$/i.test(encoding)) return
  throw new UnsupportedBody(
    `the body is encoded with ${quoted(encoding)}: send it without a content encoding`,
  )
}

function parsed(body: Buffer): unknown {
  if (body.length === 0) return undefined
  if (isWide(body)) throw new AnchorageError('invalid', 'the body: it is UTF-16 or UTF-32; send it as UTF-8')
  if (!isUtf8(body)) throw new AnchorageError('invalid', 'the body: it is not UTF-8')
  try {
    return JSON.parse(body.toString().replace(/^\ufeff/, ''))
  } catch (cause) {
    throw new AnchorageError('invalid', 'the body: it is not JSON', { cause })
  }
}

/** Whether the text is UTF-16 or UTF-32: it begins with a byte order mark, or with a NUL beside the ASCII that JSON begins with. */
function isWide(body: Buffer): boolean {
  return /^(fffe|feff|00..|..00)$/.test(body.toString('hex', 0, 2))
}

import { isUtf8 } from 'node:buffer'
import { setImmediate as others } from 'node:timers/promises'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AnchorageError } from '../core/errors.ts'
import { UnsupportedBody } from './errors.ts'
import { quoted } from './invalid.ts'

/**
 * Bodies are JSON in UTF-8 and nothing else; other media types and encodings are refused with 415. Keys such as `__proto__` are text
 * like any other: bodies are never merged into objects. A body that is not there has no type: its `content-type` is passed over, and
 * a route that needs one says that it is missing.
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

/** To read and judge a larger body takes so long that others would notice many in a row. */
const smallBodyBytes = 16 << 10

/** Resolves for one after the other, with whatever else the process has to do between them. */
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
  throw new UnsupportedBody(`the body is encoded with ${quoted(encoding)}: send it without any encoding`)
}

function parsed(body: Buffer): unknown {
  if (body.length === 0) return undefined
  if (isWide(body)) throw new AnchorageError('invalid', 'the body: UTF-16 or UTF-32; send it as UTF-8')
  if (!isUtf8(body)) throw new AnchorageError('invalid', 'the body: not UTF-8')
  try {
    return JSON.parse(body.toString().replace(/^\ufeff/, ''))
  } catch (cause) {
    throw new AnchorageError('invalid', 'the body: not JSON', { cause })
  }
}

/** Whether its characters are two or four bytes wide: a mark says so, or NULs beside the ASCII that JSON begins with. */
function isWide(body: Buffer): boolean {
  return /^(fffe|feff|00..|..00)$/.test(body.toString('hex', 0, 2))
}

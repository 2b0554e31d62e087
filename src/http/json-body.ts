import { isUtf8 } from 'node:buffer'
import type { FastifyInstance } from 'fastify'
import { AnchorageError } from '../core/errors.ts'

/**
 * Bodies are JSON in UTF-8 and nothing else; other media types are refused with 415. Keys such as `__proto__` are text like
 * any other: bodies are never merged into objects. No body is `undefined`, which the schema of a route that needs one refuses.
 */
export function readJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parsed(Buffer.from(body)))
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)))
    }
  })
}

function parsed(body: Buffer): unknown {
  if (body.length === 0) return undefined
  if (!isUtf8(body)) throw new AnchorageError('invalid', 'the body: not UTF-8')
  try {
    return JSON.parse(body.toString())
  } catch (cause) {
    throw new AnchorageError('invalid', 'the body: not JSON', { cause })
  }
}

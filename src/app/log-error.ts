import { stdSerializers } from 'pino'
import { AnchorageError, inOneLine } from '../core/errors.ts'
import { IpfsError } from '../core/ipfs-error.ts'

/**
 * What a line of the log holds of an error. One whose meaning is known (a server that is away, a refusal) is its message with its causes: where
 * in the program it was met helps nobody. Any other error is a fault of the program, and is told with its stack.
 */
export function briefError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  if (!isUnderstood(error)) return stdSerializers.err(error)
  const code = codeOf(error)
  return { type: error.name, message: inOneLine(error), ...(code === null ? {} : { code }) }
}

function isUnderstood(error: Error): boolean {
  if (error instanceof AnchorageError) return error.code !== 'internal'
  if (error instanceof IpfsError) return true
  // Of Node's fetch, which says in its cause what happened.
  if (error instanceof TypeError) return error.cause instanceof Error && isUnderstood(error.cause)
  const code = codeOf(error)
  // Of the system, of Postgres or of TLS; Node's other codes name misuse.
  return code !== null && !/^ERR_(?!TLS_|SSL_)/.test(code)
}

function codeOf(error: Error): string | null {
  return 'code' in error && typeof error.code === 'string' ? error.code : null
}

import { stdSerializers } from 'pino'
import { AnchorageError, inOneLine } from '../core/errors.ts'
import { IpfsError } from '../core/ipfs-error.ts'

/**
 * An error as it appears in a log line. An error whose meaning is known (a server that is down, a refusal) is its message with its causes,
 * because a stack would not help. Any other error is a bug in the program and is logged with its stack.
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
  // Node's fetch rejects with a TypeError whose cause says what happened.
  if (error instanceof TypeError) return error.cause instanceof Error && isUnderstood(error.cause)
  const code = codeOf(error)
  // A code of the system, of Postgres or of TLS. Node's other codes (`ERR_…`) mean misuse of an API.
  return code !== null && !/^ERR_(?!TLS_|SSL_)/.test(code)
}

function codeOf(error: Error): string | null {
  return 'code' in error && typeof error.code === 'string' ? error.code : null
}

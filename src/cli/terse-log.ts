import { inOneLine } from '../core/errors.ts'
import type { Log } from '../core/ports.ts'
import { redact } from '../app/redact.ts'
import { json, printable } from './print.ts'
import type { Io } from './verb.ts'

/** The log of a command: prints warnings and errors, one line each with the cause. */
export function terseLog(io: Pick<Io, 'err' | 'json'>): Log {
  const line = (fields: object, message: string): void => {
    const err: unknown = Reflect.get(fields, 'err')
    const because = err instanceof Error ? ` (${inOneLine(err)})` : ''
    const details = printable(redact(`${message}${because}`))
    io.err(io.json ? json({ warning: { details } }) : `${details}\n`)
  }
  const log: Log = { debug() {}, info() {}, warn: line, error: line, child: () => log }
  return log
}

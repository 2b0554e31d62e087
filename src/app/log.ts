import { pino, stdSerializers } from 'pino'
import type { Log } from '../core/ports.ts'
import type { Config } from '../config/config.ts'
import { briefError } from './log-error.ts'
import { redact } from './redact.ts'

export interface LogOptions {
  level: Config['log']['level']
  /** A line for people instead of JSON; meant for terminals. */
  pretty?: boolean
  /** Writes a line; to standard error by default, since standard output is for results. */
  write?: (line: string) => void
}

/**
 * The root logger: one JSON line per event (pino), with secrets removed from every line. Fields have fixed names: `orgId pinId cid nodeId
 * generation requestId err`; a subsystem logs to `log.child({ part })`. An error of another server, unlike a bug of the program, is logged
 * with its stack only at level debug or below.
 */
export function createLog({ level, pretty = false, write = toStandardError() }: LogOptions): Log {
  const settings = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: level === 'debug' || level === 'trace' ? stdSerializers.err : briefError },
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return pino(settings, { write: (line) => write(pretty ? readable(redact(line)) : redact(line)) })
}

function toStandardError(): (line: string) => void {
  // Synchronous, so that the last lines of a dying process are not lost.
  const destination = pino.destination({ fd: 2, sync: true })
  return (line) => destination.write(line)
}

/** `12:00:01 INFO  http: message: the error  key=value …`, with an error's stack below it where the line has one. */
function readable(line: string): string {
  const { time, level, part, msg, err, ...fields }: Record<string, unknown> = JSON.parse(line)
  const rest = Object.entries(fields).map(([key, value]) => `  ${key}=${shown(value)}`)
  const head = `${String(time).slice(11, 19)} ${String(level).toUpperCase().padEnd(5)}`
  return `${head} ${part === undefined ? '' : `${shown(part)}: `}${shown(msg ?? '')}${messageOf(err)}${rest.join('')}${stackOf(err)}\n`
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** The message of an error that is logged without its stack; empty for any other. */
function messageOf(err: unknown): string {
  return isObject(err) && !('stack' in err) && 'message' in err ? `: ${shown(err.message)}` : ''
}

function stackOf(err: unknown): string {
  if (err === undefined || (isObject(err) && !('stack' in err))) return ''
  return `\n  ${shown(isObject(err) && 'stack' in err ? err.stack : err).replaceAll('\n', '\n  ')}`
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

import { setTimeout as sleep } from 'node:timers/promises'
import { isCode } from '../core/errors.ts'
import { duration, json, printable } from './print.ts'
import { cutTo } from './table.ts'
import { timeLeft } from './time-left.ts'
import type { Io } from './verb.ts'

/** The first polls follow one another quickly, because many operations are done in a moment; later polls are further and further apart. */
const firstPollMs = 100
const longestPollMs = 1_000
const troubledPollSeconds = 2
/** A read that takes long is repeated less often: reads take at most a fifth of the time. */
const restPerRead = 4
const longestRestMs = 15_000

/** An operation that runs elsewhere, and how to look at it. */
export interface Watched<T> {
  /** Reads its current state. A failure that may pass (`unavailable`, `too_many`, `internal`) is shown, and the read is repeated. */
  read: () => Promise<T>
  isOver: (state: T) => boolean
  /** The state in a few words; a terminal shows `more` after them. */
  show: (state: T) => { text: string; more?: string }
  /** The bytes still to move. If set, a terminal shows an estimate of the time left. */
  bytesLeft?: (state: T) => number
}

/** An operation of the cluster that a verb began. */
export interface Operation<T> extends Watched<T> {
  /** Whether the operation ended as it was asked for. */
  isDone: (state: T) => boolean
  json: (state: T) => unknown
  /** Printed when watching ends before the operation. */
  goesOn: string
}

/** Watches an operation until it is over, or until Ctrl-C; prints its last state with `--json`. Returns the exit code. */
export async function watchToEnd<T>(begun: T, operation: Operation<T>, io: Io): Promise<number> {
  const last = await watch(begun, operation, io, io.json)
  if (io.json) io.out(json(operation.json(last)))
  else if (!operation.isOver(last)) io.err(`${operation.goesOn}\n`)
  return operation.isDone(last) ? 0 : 1
}

/**
 * Watches an operation until it is over, and returns its last state (or the state when `io.signal` aborted). On a terminal one line is
 * kept current; in a pipe, a line is written for each change; `quiet` writes nothing.
 */
export async function watch<T>(
  first: T,
  { read, isOver, show, bytesLeft }: Watched<T>,
  io: Io,
  quiet: boolean,
): Promise<T> {
  let state = first
  let restMs = 0
  const line = statusLine(io, quiet)
  const left = timeLeft()
  const moreOf = (now: T): string | undefined => {
    const ms = bytesLeft === undefined ? null : left(bytesLeft(now))
    return ms === null || isOver(now) ? undefined : `about ${duration(ms)} left`
  }
  for (let pollMs = firstPollMs; ; pollMs = Math.max(Math.min(pollMs * 1.5, longestPollMs), restMs)) {
    const { text, more = moreOf(state) } = show(state)
    line.show(text, more)
    if (isOver(state)) break
    if (!(await pause(pollMs, io.signal))) break
    try {
      const askedMs = performance.now()
      state = await read()
      restMs = Math.min(restPerRead * (performance.now() - askedMs), longestRestMs)
    } catch (error) {
      if (io.signal.aborted) break
      if (!isCode(error, 'unavailable', 'too_many', 'internal')) throw error
      line.show(`${text} [${printable(error.message)}; asking again]`, more)
      if (!(await pause((error.retryAfterSeconds ?? troubledPollSeconds) * 1000, io.signal))) break
    }
  }
  line.end()
  return state
}

interface StatusLine {
  show(text: string, more?: string): void
  end(): void
}

function statusLine(io: Io, quiet: boolean): StatusLine {
  if (quiet) return { show() {}, end() {} }
  return io.terminal === null ? plainLines(io) : liveLine(io, io.terminal)
}

/** One line that is overwritten in place. */
function liveLine(io: Io, terminal: NonNullable<Io['terminal']>): StatusLine {
  return {
    show: (text, more = '') =>
      io.out(`\r\u001b[K${cutTo(more === '' ? text : `${text}  ${more}`, terminal.columns - 1)}`),
    end: () => io.out('\n'),
  }
}

/** Writes a line for every change. */
function plainLines(io: Io): StatusLine {
  let last = ''
  return {
    show(text) {
      if (text !== last) io.out(`${text}\n`)
      last = text
    },
    end() {},
  }
}

/** Returns false when the signal aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
  return !signal.aborted
}

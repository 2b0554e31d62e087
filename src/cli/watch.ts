import { setTimeout as sleep } from 'node:timers/promises'
import { isCode } from '../core/errors.ts'
import { printable } from './print.ts'
import { cutTo } from './table.ts'
import type { Io } from './verb.ts'

/** Asked again soon at first, since much is done in a moment; then less and less often. */
const firstPollMs = 100
const longestPollMs = 1_000
const troubledPollSeconds = 2
/** What takes long to read is read less often: for a fifth of the time at most. */
const restPerRead = 4
const longestRestMs = 15_000

/** Something that goes on elsewhere, and how to look at it. */
export interface Watched<T> {
  /** How it stands now. What may pass by itself (`unavailable`, `too_many`, `internal`) is shown, and it is read again. */
  read: () => Promise<T>
  isOver: (state: T) => boolean
  /** In a few words, and what stands behind them on a terminal. */
  show: (state: T) => { text: string; more?: string }
}

/**
 * Watches something until it is over, and returns it as it was then (or when `io.signal` aborted). On a terminal one line is
 * kept current; piped, a line is written when something changed; `quiet` writes nothing.
 */
export async function watch<T>(
  first: T,
  { read, isOver, show }: Watched<T>,
  io: Io,
  quiet: boolean,
): Promise<T> {
  let state = first
  let restMs = 0
  const line = statusLine(io, quiet)
  for (let pollMs = firstPollMs; ; pollMs = Math.max(Math.min(pollMs * 1.5, longestPollMs), restMs)) {
    const { text, more } = show(state)
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

/** One line, written over and over. */
function liveLine(io: Io, terminal: NonNullable<Io['terminal']>): StatusLine {
  return {
    show: (text, more = '') =>
      io.out(`\r\u001b[K${cutTo(more === '' ? text : `${text}  ${more}`, terminal.columns - 1)}`),
    end: () => io.out('\n'),
  }
}

/** A line for every change. */
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

/** False when the signal aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
  return !signal.aborted
}

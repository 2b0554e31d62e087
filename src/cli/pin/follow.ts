import { setTimeout as sleep } from 'node:timers/promises'
import { isCode } from '../../core/errors.ts'
import type { PinClient, PinStatus } from '../../http/client.ts'
import { printable } from '../print.ts'
import type { Io } from '../verb.ts'
import { progressOf } from './show.ts'

/** Asked again soon at first, since most pins stand in a moment; then less and less often. */
const firstPollMs = 100
const longestPollMs = 1_000
const troubledPollSeconds = 2

/**
 * Watches a pin until it is `pinned` or `failed`, and returns it as it was then (or when `io.signal` aborted).
 * On a terminal one line is kept current; piped, a line is written when something changed; `quiet` writes nothing.
 */
export async function follow(
  client: PinClient,
  first: PinStatus,
  io: Io,
  quiet: boolean,
): Promise<PinStatus> {
  let pin = first
  const line = quiet ? silent : io.terminal === null ? plainLines(io) : liveLine(io, io.terminal.columns)
  for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 1.5, longestPollMs)) {
    line.show(progressOf(pin, Date.now()), pin)
    if (pin.status === 'pinned' || pin.status === 'failed') break
    if (!(await pause(pollMs, io.signal))) break
    try {
      pin = await client.get(pin.requestid, io.signal)
    } catch (error) {
      if (io.signal.aborted) break
      if (!isCode(error, 'unavailable', 'too_many', 'internal')) throw error
      line.show(`${progressOf(pin, Date.now())} [${printable(error.message)}; asking again]`, pin)
      if (!(await pause((error.retryAfterSeconds ?? troubledPollSeconds) * 1000, io.signal))) break
    }
  }
  line.end()
  return pin
}

interface Line {
  show(progress: string, pin: PinStatus): void
  end(): void
}

const silent: Line = { show() {}, end() {} }

/** One line, written over and over. */
function liveLine(io: Io, columns: number): Line {
  return {
    show: (progress, pin) => io.out(`\r\u001b[K${`${progress}  ${pin.pin.cid}`.slice(0, columns - 1)}`),
    end: () => io.out('\n'),
  }
}

/** A line for every change. */
function plainLines(io: Io): Line {
  let last = ''
  return {
    show(progress) {
      if (progress !== last) io.out(`${progress}\n`)
      last = progress
    },
    end() {},
  }
}

/** False when the signal aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
  return !signal.aborted
}

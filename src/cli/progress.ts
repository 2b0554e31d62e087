import { cutTo } from './table.ts'
import type { Io } from './verb.ts'

const liveEveryMs = 200
const plainEveryMs = 5_000

/**
 * Shows progress on standard error: one line that is kept current on a terminal, else a line every few seconds. Call it whenever there
 * is news; `done` ends it. With `quiet` it writes nothing.
 */
export function progress(
  io: Pick<Io, 'err' | 'terminal'>,
  quiet = false,
  now: () => number = () => performance.now(),
) {
  const { terminal } = io
  const everyMs = terminal === null ? plainEveryMs : liveEveryMs
  let toldAtMs = now()
  let isOpen = false
  return {
    tell(text: string): void {
      const nowMs = now()
      if (quiet || nowMs - toldAtMs < everyMs) return
      toldAtMs = nowMs
      isOpen = terminal !== null
      io.err(terminal === null ? `${text}\n` : `\r\u001b[K${cutTo(text, terminal.columns - 1)}`)
    },
    done(): void {
      if (isOpen) io.err('\r\u001b[K')
      isOpen = false
    },
  }
}

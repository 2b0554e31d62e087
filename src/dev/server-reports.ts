import type { ChildSpec } from '../process/child.ts'

/** Makes a listener that reports the life of the server called `title`, apart from what the start itself reports. */
export type ServerReports = (title: string) => NonNullable<ChildSpec['onChange']>

/** Writes a line whenever a server has died, with what happens next, and when it is back. */
export function serverReports({
  say,
  restartAfterMs,
}: {
  say: (line: string) => void
  restartAfterMs: number | null
}): ServerReports {
  const next = restartAfterMs === null ? 'it stays down' : `starting it again in ${restartAfterMs / 1000} s`
  return (title) => {
    let isFirst = true
    return (event) => {
      if ('died' in event) say(`${title}: ${event.died}; ${next}`)
      else if (!isFirst) say(`${title} is back (process ${event.pid})`)
      isFirst = false
    }
  }
}

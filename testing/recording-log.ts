import type { Log } from '../src/core/ports.ts'
import { silentLog } from '../src/core/silent-log.ts'

/** A log that keeps the messages of its warnings and errors. */
export function recordingLog(): Log & { said: string[] } {
  const said: string[] = []
  const note = (_fields: object, message: string): void => void said.push(message)
  const log: Log & { said: string[] } = { ...silentLog, said, warn: note, error: note, child: () => log }
  return log
}

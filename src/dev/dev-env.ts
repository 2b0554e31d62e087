import { setTimeout as sleep } from 'node:timers/promises'
import { writePrivate } from '../process/private-file.ts'

/** How soon the file shows that a server was started again. */
const lookEveryMs = 200

/** The text of a file that a POSIX shell sources: each value exported, whatever characters it holds. */
export function shellExports(values: Record<string, string>): string {
  const lines = Object.entries(values).map(
    ([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`,
  )
  return lines.join('')
}

/**
 * Writes the values to a file that a shell sources, and keeps it current until disposed. Restarted servers have new pids, and some of them
 * (nats-server) are started by other processes, so the values are polled.
 */
export async function keepEnvFile(
  path: string,
  values: () => Promise<Record<string, string>>,
  onError: (error: unknown) => void,
): Promise<AsyncDisposable> {
  let written = ''
  const look = async (): Promise<void> => {
    const text = shellExports(await values())
    if (text === written) return
    await writePrivate(path, text)
    written = text
  }
  await look()
  const stop = new AbortController()
  const follow = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await sleep(lookEveryMs, undefined, { signal: stop.signal }).catch(() => undefined)
      if (!stop.signal.aborted) await look().catch(onError)
    }
  }
  const following = follow()
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await following
    },
  }
}

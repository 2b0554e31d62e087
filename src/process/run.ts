import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface RunOptions {
  cwd?: string
  env: NodeJS.ProcessEnv
  signal?: AbortSignal
  /** The command is killed when it takes longer. */
  limitMs: number
  onLine?: (line: string) => void
}

/**
 * Runs a command and returns what it printed to both streams. Rejects when it fails, hangs or does not exist; the error of a failure
 * includes the last lines that it printed.
 */
export async function run(command: string, args: string[], options: RunOptions): Promise<string> {
  const limit = AbortSignal.timeout(options.limitMs)
  const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit
  const child = spawn(command, args, {
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGKILL',
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  const said: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      said.push(line)
      options.onLine?.(line)
    })
  }
  const { promise, resolve, reject } = Promise.withResolvers<number | string | null>()
  child.once('error', reject)
  child.once('close', (code, ended) => resolve(ended ?? code))
  try {
    const how = await promise
    if (how === 0) return said.join('\n')
    throw new Error(`${command} ended with ${how}: ${said.slice(-5).join(' | ') || 'it printed nothing'}`)
  } catch (error) {
    options.signal?.throwIfAborted()
    if (limit.aborted)
      throw new Error(`${command} took longer than ${options.limitMs / 1000} s`, { cause: error })
    throw error
  }
}

import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { AnchorageError } from '../core/errors.ts'
import { aborted } from './aborted.ts'
import type { RunAs } from './run-as.ts'
import { stopChild } from './stop-child.ts'

/** A server process to keep running. */
export interface ChildSpec {
  name: string
  command: string
  args: string[]
  cwd: string
  env: NodeJS.ProcessEnv
  user: RunAs | null
  /** Its output is appended here. */
  logFile: string
  stopSignal: NodeJS.Signals
  stopGraceMs: number
  readyWithinMs: number
  /** Resolves once the server serves; called after each start. */
  ready(signal: AbortSignal): Promise<void>
  /** Called before each start, to clear what an earlier run left. */
  prepare?(): Promise<void>
  /** How long after its death the server is started again; null for never. */
  restartAfterMs: number | null
  /** Called after each start that became ready, and when the server died. */
  onChange?(event: { pid: number } | { died: string }): void
}

/** A supervised server; disposing stops it gently. */
export interface Child extends AsyncDisposable {
  name: string
  /** Null while it is down. */
  pid(): number | null
  /** Resolves with the reason when the server has died and is not started again automatically. */
  gone: Promise<string>
  /** Starts the server again now if it is down, whatever the wait that is left. */
  startAgain(): void
  /** Kills the server at once. */
  kill(): void
}

/**
 * Starts `spec` and resolves once it is ready; rejects, with the end of its log, when the first start fails. A node's nats-server has a loop
 * of its own (`cluster/nats-server.ts`): a node serves without it, so its first start may fail, and its program and settings are looked up
 * at each start.
 */
export async function startChild(spec: ChildSpec): Promise<Child> {
  const stopping = new AbortController()
  const gone = Promise.withResolvers<string>()
  let wake = new AbortController()
  let running = await startOnce(spec)
  let up = true
  spec.onChange?.({ pid: running.pid })

  const watch = async (): Promise<void> => {
    for (;;) {
      const died = await running.exited
      up = false
      if (stopping.signal.aborted) return
      wake = new AbortController()
      spec.onChange?.({ died })
      if (spec.restartAfterMs === null) gone.resolve(died)
      for (;;) {
        await pause(spec.restartAfterMs, AbortSignal.any([stopping.signal, wake.signal]))
        stopping.signal.throwIfAborted()
        wake = new AbortController()
        try {
          running = await startOnce(spec, stopping.signal)
          up = true
          break
        } catch (error) {
          if (stopping.signal.aborted) return
          spec.onChange?.({ died: messageOf(error) })
        }
      }
      spec.onChange?.({ pid: running.pid })
    }
  }
  const watching = watch().catch((error: unknown) => {
    if (!stopping.signal.aborted) gone.resolve(messageOf(error))
  })

  return {
    name: spec.name,
    pid: () => (up ? running.pid : null),
    gone: gone.promise,
    startAgain: () => wake.abort(),
    kill: () => void (up && running.process.kill('SIGKILL')),
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await stopChild(running.process, spec.stopSignal, spec.stopGraceMs)
      await watching
    },
  }
}

/** Resolves after `ms` (null: never) or when the signal aborts. */
async function pause(ms: number | null, signal: AbortSignal): Promise<void> {
  if (ms === null) await aborted(signal)
  else await sleep(ms, undefined, { signal }).catch(() => undefined)
}

interface Running {
  process: ChildProcess
  pid: number
  /** Resolves with how it ended; never rejects. */
  exited: Promise<string>
}

async function startOnce(spec: ChildSpec, stop_?: AbortSignal): Promise<Running> {
  await spec.prepare?.()
  stop_?.throwIfAborted()
  const child = spawnLogged(spec)
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(`${spec.name} ended with ${signal ?? `code ${code}`}`))
    child.once('error', (error) => resolve(`${spec.name} did not start: ${error.message}`))
  })
  const settled = new AbortController()
  const limit = AbortSignal.any([
    settled.signal,
    AbortSignal.timeout(spec.readyWithinMs),
    ...(stop_ ? [stop_] : []),
  ])
  const failed = exited.then((how) => Promise.reject(new Error(how)))
  try {
    await Promise.race([spec.ready(limit), failed])
    if (child.pid === undefined) throw new Error(await exited)
    return { process: child, pid: child.pid, exited }
  } catch (error) {
    await stopChild(child, spec.stopSignal, spec.stopGraceMs)
    stop_?.throwIfAborted()
    const late = `${spec.name} was not ready after ${spec.readyWithinMs / 1000} s`
    const why = limit.aborted ? late : messageOf(error)
    throw new AnchorageError('unavailable', `${why}\n${await endOfLog(spec.logFile)}`)
  } finally {
    settled.abort()
    failed.catch(() => undefined)
  }
}

/** Synchronous, so that its caller listens before any event can happen. */
function spawnLogged(spec: ChildSpec): ChildProcess {
  const log = openSync(spec.logFile, 'a', 0o600)
  try {
    return spawn(spec.command, spec.args, {
      cwd: spec.cwd,
      env: spec.env,
      stdio: ['ignore', log, log],
      // A process group of its own: Ctrl-C in the terminal reaches only this process, which stops the children in order.
      detached: true,
      ...(spec.user ? { uid: spec.user.uid, gid: spec.user.gid } : {}),
    })
  } finally {
    closeSync(log)
  }
}

async function endOfLog(file: string): Promise<string> {
  const lines = (await readFile(file, 'utf8').catch(() => '')).trimEnd().split('\n')
  return `the end of ${file}:\n${lines
    .slice(-10)
    .map((line) => `  ${line.slice(0, 500)}`)
    .join('\n')}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

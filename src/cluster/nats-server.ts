import { spawn, type ChildProcess } from 'node:child_process'
import { readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../core/ports.ts'
import { natsPassword, natsPaths, natsUser, writeNatsConfig, type NatsPaths } from './nats-config.ts'
import { ownerVariable, stopOrphan } from './nats-orphan.ts'

export interface NatsServerOptions {
  /** The executable, or how to find (or make) it; asked anew at each try, so that it may appear later. */
  binary: string | ((signal: AbortSignal) => Promise<string>)
  /** Everything of this server lives here; made when missing. */
  dir: string
  /** On 127.0.0.1. */
  clientPort: number
  /** Must be unique among the servers of a cluster: the node's id. */
  serverName: string
  log: Log
  maxStoreBytes?: number
  /** How long to wait before a server that died is started again; doubled while it keeps dying. 0: never again once it ran. */
  restartAfterMs?: number
  /** Called each time a server was started, with its process id. */
  onStarted?: (pid: number) => void
}

/** A nats-server that this process keeps running until it is disposed of. */
export interface NatsChild extends AsyncDisposable {
  /** For clients; holds the password, so never log it. */
  readonly url: string
  /** Of the server that runs now; null while none does. */
  readonly pid: number | null
  /** Null while the server runs; else why it does not. */
  trouble(): string | null
  /** Stops the server, moves its store aside and starts it on an empty one: all in it can be rebuilt from Postgres. */
  replaceStore(reason: string): Promise<void>
}

const maxRestartDelayMs = 10_000
/** Looking for the executable may mean a download or a build each time. */
const maxFindDelayMs = 60_000
const startPatienceMs = 5_000
const stopGraceMs = 5_000
/** A server that died within this time did so "at once". */
const quickDeathMs = 10_000
const quickDeathsToBlameStore = 3

/**
 * Starts a nats-server and keeps it running. Never throws for what the server does: a missing binary, a taken port or a
 * broken store show as `trouble()` and are tried again. Resolves when the first server is ready, or in trouble.
 */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsChild> {
  const dir = resolve(options.dir)
  const paths = natsPaths(dir)
  const password = await natsPassword(paths, dir)
  const server = new NatsServer(options, dir, paths, password)
  await server.settled()
  return server
}

class NatsServer implements NatsChild {
  readonly url: string
  readonly #options: NatsServerOptions
  readonly #dir: string
  readonly #paths: NatsPaths
  readonly #password: string
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  readonly #firstOutcome = Promise.withResolvers<void>()
  #child: ChildProcess | null = null
  #trouble: string | null = 'nats-server is starting'
  #wasReady = false
  #lastError = ''
  #quickDeaths = 0
  #replaceBecause: string | null = null

  constructor(options: NatsServerOptions, dir: string, paths: NatsPaths, password: string) {
    this.#options = options
    this.#dir = dir
    this.#paths = paths
    this.#password = password
    this.url = `nats://${natsUser}:${password}@127.0.0.1:${options.clientPort}`
    this.#running = this.#keepRunning()
  }

  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  trouble(): string | null {
    return this.#trouble
  }

  async settled(): Promise<void> {
    await Promise.race([this.#firstOutcome.promise, delay(startPatienceMs, undefined, { ref: false })])
  }

  async replaceStore(reason: string): Promise<void> {
    if (this.#replaceBecause !== null) return
    this.#replaceBecause = reason
    if (this.#child !== null) await endChild(this.#child)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    if (this.#child !== null) await endChild(this.#child)
    await this.#running
    this.#trouble = 'nats-server was stopped'
  }

  async #keepRunning(): Promise<void> {
    const { log, restartAfterMs = 500 } = this.#options
    while (!this.#stop.signal.aborted) {
      const startedAt = performance.now()
      let maxDelayMs = maxRestartDelayMs
      const why = await this.#runOnce().catch((error: unknown) => {
        maxDelayMs = maxFindDelayMs
        return `cannot start nats-server: ${reasonOf(error)}`
      })
      if (this.#stop.signal.aborted) break
      this.#quickDeaths = performance.now() - startedAt < quickDeathMs ? this.#quickDeaths + 1 : 1
      this.#trouble = why
      this.#firstOutcome.resolve()
      if (restartAfterMs === 0 && this.#wasReady && this.#replaceBecause === null) {
        log.error({ reason: why }, 'nats-server is down and is not to be started again')
        break
      }
      const delayMs = Math.min((restartAfterMs || 500) * 2 ** Math.min(this.#quickDeaths - 1, 10), maxDelayMs)
      log.error({ reason: why, delayMs }, 'nats-server is down; starting it again')
      await this.#replaceStoreIfBlamed()
      await delay(delayMs, undefined, { signal: this.#stop.signal }).catch(() => {})
    }
    this.#firstOutcome.resolve()
  }

  /** One life of the server; says why it ended. */
  async #runOnce(): Promise<string> {
    const { binary, clientPort, serverName, log, maxStoreBytes = 1024 ** 3 } = this.#options
    const file = typeof binary === 'string' ? binary : await binary(this.#stop.signal)
    await stopOrphan(this.#paths, log)
    await writeNatsConfig(this.#paths, this.#dir, {
      serverName,
      clientPort,
      password: this.#password,
      maxStoreBytes,
    })
    if (this.#stop.signal.aborted) return 'stopped'
    this.#lastError = ''
    // Its own process group: Ctrl-C in a terminal reaches the node, which then stops its server when nothing needs it.
    const child = spawn(file, ['-c', this.#paths.config], {
      cwd: this.#dir,
      detached: true,
      env: { [ownerVariable]: String(process.pid) },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const ended = Promise.withResolvers<string>()
    child.once('error', (error) => ended.resolve(`cannot start nats-server: ${error.message}`))
    child.once('close', (code, signal) => ended.resolve(this.#deathOf(code, signal)))
    if (child.pid !== undefined) {
      this.#child = child
      this.#readLog(child)
      // Written here and not by the server, so that there is no moment in which an orphan could not be found.
      await writeFile(this.#paths.pid, `${child.pid}\n`).catch((error: unknown) =>
        this.#options.log.warn({ reason: reasonOf(error) }, 'cannot write the pid file of nats-server'),
      )
      this.#options.onStarted?.(child.pid)
    }
    const why = await ended.promise
    this.#child = null
    await rm(this.#paths.pid, { force: true })
    return why
  }

  #readLog(child: ChildProcess): void {
    if (child.stderr === null) return
    createInterface({ input: child.stderr }).on('line', (line) => {
      const [, level = '', text = ''] = /\[(INF|WRN|ERR|FTL|DBG|TRC)\] (.*)$/.exec(line) ?? ['', 'WRN', line]
      if (level === 'INF' || level === 'DBG') this.#options.log.debug({}, text.trim())
      else if (level === 'ERR' || level === 'FTL') this.#noteError(text)
      // The configuration is 0600 and this password guards loopback only.
      else if (!text.startsWith('Plaintext passwords')) this.#options.log.warn({}, text)
      if (text === 'Server is ready') this.#becameReady(child.pid)
    })
  }

  #noteError(text: string): void {
    this.#lastError = text
    this.#options.log.error({}, text)
  }

  #becameReady(pid: number | undefined): void {
    this.#trouble = null
    this.#wasReady = true
    this.#firstOutcome.resolve()
    this.#options.log.info({ pid, port: this.#options.clientPort }, 'nats-server is ready')
  }

  #deathOf(code: number | null, signal: NodeJS.Signals | null): string {
    const how = signal === null ? `exited with code ${code}` : `was killed by ${signal}`
    return this.#lastError === '' ? `nats-server ${how}` : `nats-server ${how}: ${this.#lastError}`
  }

  async #replaceStoreIfBlamed(): Promise<void> {
    const blamed =
      this.#quickDeaths >= quickDeathsToBlameStore && /jetstream|stor(e|age)/i.test(this.#lastError)
    const reason = this.#replaceBecause ?? (blamed ? this.#lastError : null)
    this.#replaceBecause = null
    if (reason === null) return
    this.#quickDeaths = 0
    try {
      const movedTo = await moveAside(this.#paths.store)
      this.#options.log.warn(
        { reason, movedTo },
        'JetStream starts on an empty store; it is rebuilt from Postgres',
      )
    } catch (error) {
      this.#options.log.error(
        { reason: reasonOf(error) },
        "JetStream's store is broken and cannot be moved aside",
      )
    }
  }
}

/** Keeps one broken store for whoever wants to look into it, and no more. */
async function moveAside(store: string): Promise<string> {
  const dir = dirname(store)
  const prefix = `${basename(store)}.broken-`
  for (const name of await readdir(dir)) {
    if (name.startsWith(prefix)) await rm(join(dir, name), { recursive: true, force: true })
  }
  const aside = join(dir, prefix + new Date().toISOString().replaceAll(':', ''))
  await rename(store, aside)
  return aside
}

/** SIGTERM lets it write its state; SIGKILL after five seconds, since a stop must end. */
async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = new Promise<void>((resolved) => child.once('close', () => resolved()))
  child.kill('SIGTERM')
  const impatience = setTimeout(() => child.kill('SIGKILL'), stopGraceMs)
  await closed
  clearTimeout(impatience)
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

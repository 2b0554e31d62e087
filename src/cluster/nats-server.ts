import { spawn, type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Log } from '../core/ports.ts'
import {
  natsPassword,
  natsPaths,
  natsUser,
  systemUser,
  storeOf,
  writeNatsConfig,
  type NatsCluster,
  type NatsPaths,
} from './nats-config.ts'
import { ownerVariable, stopOrphan } from './nats-orphan.ts'
import { NatsServerLog } from './nats-server-log.ts'
import { moveAside } from './nats-store.ts'

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
  /** The cluster that it is one of; null or left out: it stands alone. */
  cluster?: NatsCluster | null
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
  /** For questions about the server and its cluster; holds the password too. */
  readonly systemUrl: string
  /** Of the server that runs now; null while none does. */
  readonly pid: number | null
  /** Null while the server runs; else why it does not. */
  trouble(): string | null
  /** What the server said of late about a route to another that it cannot have; null when nothing. */
  routeTrouble(): string | null
  /**
   * The cluster has other members or keys from now on, or this server stands alone (null). Members and keys are changed while it
   * runs; to join or to leave it is started again, on an empty store: all in it can be rebuilt from Postgres.
   */
  setCluster(cluster: NatsCluster | null): Promise<void>
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
  readonly systemUrl: string
  readonly #options: NatsServerOptions
  readonly #dir: string
  readonly #paths: NatsPaths
  readonly #password: string
  readonly #log: Log
  readonly #said: NatsServerLog
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  readonly #firstOutcome = Promise.withResolvers<void>()
  #cluster: NatsCluster | null
  #child: ChildProcess | null = null
  #trouble: string | null = 'nats-server is starting'
  /** The child of now reads its configuration again at SIGHUP; before, it would die of that. */
  #isReady = false
  #wasReady = false
  #quickDeaths = 0
  #replaceBecause: string | null = null
  /** We ended it, to start it anew at once. */
  #restarting = false

  constructor(options: NatsServerOptions, dir: string, paths: NatsPaths, password: string) {
    this.#options = options
    this.#dir = dir
    this.#paths = paths
    this.#password = password
    this.#log = options.log
    this.#said = new NatsServerLog(options.log)
    this.#cluster = options.cluster ?? null
    const at = `${password}@127.0.0.1:${options.clientPort}`
    this.url = `nats://${natsUser}:${at}`
    this.systemUrl = `nats://${systemUser}:${at}`
    this.#running = this.#keepRunning()
  }

  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  trouble(): string | null {
    return this.#trouble
  }

  routeTrouble(): string | null {
    return this.#said.routeTrouble()
  }

  async settled(): Promise<void> {
    await Promise.race([this.#firstOutcome.promise, delay(startPatienceMs, undefined, { ref: false })])
  }

  async setCluster(cluster: NatsCluster | null): Promise<void> {
    const before = this.#cluster
    if (isDeepStrictEqual(before, cluster)) return
    this.#cluster = cluster
    const fields = { members: cluster?.members ?? [] }
    const isSeat =
      cluster !== null && before?.name === cluster.name && isDeepStrictEqual(before.listen, cluster.listen)
    if (isSeat && this.#isReady) {
      this.#log.info(fields, "nats-server reads its cluster's members and keys again")
      await this.#writeConfig().catch((error: unknown) => {
        this.#cluster = before
        throw error
      })
      this.#child?.kill('SIGHUP')
    } else {
      this.#log.info(fields, 'nats-server is started again, for its cluster is another one')
      await this.#restart()
    }
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
    const { restartAfterMs = 500 } = this.#options
    while (!this.#stop.signal.aborted) {
      const startedAt = performance.now()
      let maxDelayMs = maxRestartDelayMs
      const why = await this.#runOnce().catch((error: unknown) => {
        maxDelayMs = maxFindDelayMs
        return `cannot start nats-server: ${reasonOf(error)}`
      })
      if (this.#stop.signal.aborted) break
      if (this.#takeRestart()) continue
      this.#quickDeaths = performance.now() - startedAt < quickDeathMs ? this.#quickDeaths + 1 : 1
      this.#trouble = why
      this.#firstOutcome.resolve()
      if (restartAfterMs === 0 && this.#wasReady && this.#replaceBecause === null) {
        this.#log.error({ reason: why }, 'nats-server is down and is not to be started again')
        break
      }
      const delayMs = Math.min((restartAfterMs || 500) * 2 ** Math.min(this.#quickDeaths - 1, 10), maxDelayMs)
      this.#log.error({ reason: why, delayMs }, 'nats-server is down; starting it again')
      await this.#replaceStoreIfBlamed()
      await delay(delayMs, undefined, { signal: this.#stop.signal }).catch(() => {})
    }
    this.#firstOutcome.resolve()
  }

  /** One life of the server; says why it ended. */
  async #runOnce(): Promise<string> {
    const { binary } = this.#options
    const file = typeof binary === 'string' ? binary : await binary(this.#stop.signal)
    await stopOrphan(this.#paths, this.#log)
    const cluster = this.#cluster
    await this.#writeConfig()
    // A store of the other kind is of no use, now or later: by then the cluster has moved on.
    await rm(cluster === null ? this.#paths.clusterStore : this.#paths.store, {
      recursive: true,
      force: true,
    })
    if (this.#stop.signal.aborted) return 'stopped'
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
      this.#said.follow(child.stderr, () => this.#becameReady(child.pid))
      this.#notePid(child.pid)
      this.#options.onStarted?.(child.pid)
      if (cluster !== this.#cluster) void this.#restart()
    }
    const why = await ended.promise
    this.#child = null
    this.#isReady = false
    await rm(this.#paths.pid, { force: true })
    return why
  }

  /**
   * Here and not by the server, and at once: whenever this process is killed, the next one finds the server that it left behind. One
   * that it did not find would keep the port.
   */
  #notePid(pid: number): void {
    try {
      writeFileSync(this.#paths.pid, `${pid}\n`)
    } catch (error) {
      this.#log.warn({ reason: reasonOf(error) }, 'cannot write the pid file of nats-server')
    }
  }

  async #writeConfig(): Promise<void> {
    const { clientPort, serverName, maxStoreBytes = 1024 ** 3 } = this.#options
    const settings = {
      serverName,
      clientPort,
      password: this.#password,
      maxStoreBytes,
      cluster: this.#cluster,
    }
    await writeNatsConfig(this.#paths, this.#dir, settings)
  }

  async #restart(): Promise<void> {
    // Without a child the next start reads what is so by then.
    if (this.#child === null) return
    this.#restarting = true
    this.#trouble = 'nats-server is being started again'
    await endChild(this.#child)
  }

  #takeRestart(): boolean {
    const was = this.#restarting
    this.#restarting = false
    return was
  }

  #becameReady(pid: number | undefined): void {
    this.#trouble = null
    this.#isReady = true
    this.#wasReady = true
    this.#firstOutcome.resolve()
    this.#log.info({ pid, port: this.#options.clientPort }, 'nats-server is ready')
  }

  #deathOf(code: number | null, signal: NodeJS.Signals | null): string {
    const how = signal === null ? `exited with code ${code}` : `was killed by ${signal}`
    const { lastError } = this.#said
    return lastError === '' ? `nats-server ${how}` : `nats-server ${how}: ${lastError}`
  }

  async #replaceStoreIfBlamed(): Promise<void> {
    const { lastError } = this.#said
    const blamed = this.#quickDeaths >= quickDeathsToBlameStore && /jetstream|stor(e|age)/i.test(lastError)
    const reason = this.#replaceBecause ?? (blamed ? lastError : null)
    this.#replaceBecause = null
    if (reason === null) return
    this.#quickDeaths = 0
    try {
      const movedTo = await moveAside(storeOf(this.#paths, this.#cluster))
      this.#log.warn({ reason, movedTo }, 'JetStream starts on an empty store; it is rebuilt from Postgres')
    } catch (error) {
      this.#log.error({ reason: reasonOf(error) }, "JetStream's store is broken and cannot be moved aside")
    }
  }
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

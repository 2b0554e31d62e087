import { spawn, type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Log } from '../core/ports.ts'
import { stopChild } from '../process/stop-child.ts'
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
  /** The executable, or a function that finds (or makes) it. The function is called at each try, so the executable may appear later. */
  binary: string | ((signal: AbortSignal) => Promise<string>)
  /** Holds all files of this server; created when missing. */
  dir: string
  /** The port for clients, on 127.0.0.1. */
  clientPort: number
  /** The node's id. It must be unique among the servers of a cluster. */
  serverName: string
  log: Log
  /** The cluster that the server belongs to. Null or absent: it runs alone. */
  cluster?: NatsCluster | null
  maxStoreBytes?: number
  /**
   * How long to wait before a server that died is started again; doubled while it keeps dying. 0: a server that was once ready is not
   * started again.
   */
  restartAfterMs?: number
  /** Called each time a server was started, with its process id. */
  onStarted?: (pid: number) => void
}

/** A nats-server that this process keeps running until it is disposed of. */
export interface NatsChild extends AsyncDisposable {
  /** The URL for clients. It contains the password, so never log it. */
  readonly url: string
  /** The URL for questions about the server and its cluster. It contains the password too. */
  readonly systemUrl: string
  /** The process id of the server that runs now; null while none does. */
  readonly pid: number | null
  /** Null while the server runs; otherwise why it does not. */
  trouble(): string | null
  /** The server's latest message about a route that it cannot establish; null when there was none lately. */
  routeTrouble(): string | null
  /**
   * Changes the cluster's members and keys, or makes this server run alone (null). Members and keys change while the server runs. To join
   * or leave a cluster, the server is restarted on an empty store, which can be rebuilt from Postgres.
   */
  setCluster(cluster: NatsCluster | null): Promise<void>
  /** Stops the server, moves its store aside and starts it on an empty one, which can be rebuilt from Postgres. */
  replaceStore(reason: string): Promise<void>
}

const maxRestartDelayMs = 10_000
/** The limit while the executable cannot be found: a person has to install it. */
const maxFindDelayMs = 60_000
const startPatienceMs = 5_000
/** SIGTERM lets the server write its state. */
const stopGraceMs = 5_000
/** A server that does not start, or dies within this time after its start, counts as a quick death. */
const quickDeathMs = 10_000
const quickDeathsToBlameStore = 3

/**
 * Starts a nats-server and keeps it running. Never throws because of the server: a missing binary, a taken port or a broken store show as
 * `trouble()` and are tried again. Resolves when the first start has succeeded or failed, and after 5 s at the latest.
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
  /** The current child is ready, so SIGHUP makes it read its configuration again. Before that, SIGHUP would kill it. */
  #isReady = false
  #wasReady = false
  #quickDeaths = 0
  /** Null until the executable has been found, which may take long, and the server started. */
  #startedAt: number | null = null
  #replaceBecause: string | null = null
  /** We stopped the child in order to start it again at once. */
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
      this.#log.info(fields, 'nats-server is started again, because its cluster has changed')
      await this.#restart()
    }
  }

  async replaceStore(reason: string): Promise<void> {
    if (this.#replaceBecause !== null) return
    this.#replaceBecause = reason
    if (this.#child !== null) await stopChild(this.#child, 'SIGTERM', stopGraceMs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    if (this.#child !== null) await stopChild(this.#child, 'SIGTERM', stopGraceMs)
    await this.#running
    this.#trouble = 'nats-server was stopped'
  }

  async #keepRunning(): Promise<void> {
    const { restartAfterMs = 500 } = this.#options
    while (!this.#stop.signal.aborted) {
      this.#startedAt = null
      let maxDelayMs = maxRestartDelayMs
      const why = await this.#runOnce().catch((error: unknown) => {
        maxDelayMs = maxFindDelayMs
        return `cannot start nats-server: ${reasonOf(error)}`
      })
      if (this.#stop.signal.aborted) break
      if (this.#takeRestart()) continue
      const ranMs = this.#startedAt === null ? 0 : performance.now() - this.#startedAt
      this.#quickDeaths = ranMs < quickDeathMs ? this.#quickDeaths + 1 : 1
      this.#trouble = why
      this.#firstOutcome.resolve()
      if (restartAfterMs === 0 && this.#wasReady && this.#replaceBecause === null) {
        this.#log.error({ reason: why }, 'nats-server is down and will not be started again')
        break
      }
      const delayMs = Math.min((restartAfterMs || 500) * 2 ** Math.min(this.#quickDeaths - 1, 10), maxDelayMs)
      this.#log.error({ reason: why, delayMs }, 'nats-server is down; starting it again')
      await this.#replaceStoreIfBlamed()
      await delay(delayMs, undefined, { signal: this.#stop.signal }).catch(() => {})
    }
    this.#firstOutcome.resolve()
  }

  /** Runs the server until it ends. Returns why it ended. */
  async #runOnce(): Promise<string> {
    const { binary } = this.#options
    const file = typeof binary === 'string' ? binary : await binary(this.#stop.signal)
    await stopOrphan(this.#paths, this.#log)
    const cluster = this.#cluster
    await this.#writeConfig()
    // The store of the other mode (alone or in a cluster) is of no use, now or later: by then the cluster has moved on.
    await rm(cluster === null ? this.#paths.clusterStore : this.#paths.store, {
      recursive: true,
      force: true,
    })
    if (this.#stop.signal.aborted) return 'stopped'
    // The server has its own process group: Ctrl-C in a terminal reaches only the node, which stops its server when nothing needs it.
    this.#startedAt = performance.now()
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
   * This process writes the pid file itself, right after the start, instead of leaving that to nats-server. So whenever this process is
   * killed, the next one finds the server that it left behind. A server that is not found would keep the port.
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
    // Without a child there is nothing to restart: the next start reads the settings of that moment.
    if (this.#child === null) return
    this.#restarting = true
    this.#trouble = 'nats-server is being started again'
    await stopChild(this.#child, 'SIGTERM', stopGraceMs)
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

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

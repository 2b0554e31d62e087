import { setTimeout as delay } from 'node:timers/promises'
import { TimeoutError, type Msg, type NatsConnection } from '@nats-io/nats-core'
import { AnchorageError } from '../core/errors.ts'
import type { NodeId } from '../core/ids.ts'
import type { Log } from '../core/ports.ts'
import { becomeOwner, foreignNats, ownerOf } from './cluster-identity.ts'
import { dial } from './dial.ts'
import { explain } from './nats-error.ts'
import { Leaderless, deleteStream, hasQuorum, isBrokenStore, makeMissing, probe } from './jetstream.ts'
import type { Layout } from './names.ts'

export interface NatsLinkOptions {
  /** `nats://user:password@host:port`, one or several separated by commas. */
  url: string
  nodeId: NodeId
  log: Log
  /** The servers that exist, as known now; by default this node's one server. After a change, `repair()` makes it take effect sooner. */
  layout?: () => Layout
  /** This anchorage cluster's id. Given for an outside NATS: if that belongs to another cluster, it is not used. */
  clusterId?: string
  /** Called when NATS turns out to belong to another cluster. Its owner is checked again now and then. */
  onForeign?: (error: AnchorageError) => void
  probeEveryMs?: number
  /** How long a stream may have no leader before it is recreated on the other servers. This is longer than any election. */
  leaderlessMs?: number
  /** Called when streams or consumers were missing and were created again, or when the only server was restarted: hints may be lost. */
  onRebuilt?: (what: string[]) => void
  /** Called when JetStream answers but cannot create missing streams or consumers because its files are broken. */
  onBrokenStore?: (reason: string) => void
}

/** Access to NATS that outlives single connections. */
export interface NatsLink {
  /** The current connection; null while there is none. Never keep it: each reconnection brings another. */
  connection(): NatsConnection | null
  /** Calls `onMessage` for each message on `subject`, through this connection and all later ones. Returns a function that stops this. */
  subscribe(subject: string, onMessage: (message: Msg) => void): () => void
  /** Calls `listener` at each later connection: messages published before it were missed. Returns a function that stops this. */
  onConnected(listener: () => void): () => void
}

/** This node's permanent connection to NATS. */
export interface NodeNatsLink extends NatsLink, AsyncDisposable {
  readonly nodeId: NodeId
  /** Waits for a connection; rejects with the signal's reason. */
  connected(signal: AbortSignal): Promise<NatsConnection>
  /** Null while JetStream accepts messages; otherwise the reason why it does not. */
  trouble(): string | null
  /** Why streams have fewer replicas than they should, although messages are taken; null when they have enough. */
  shortage(): string | null
  /** Something is missing: compare now and create it. */
  repair(): void
}

const firstRedialMs = 50
const maxRedialMs = 2_000
/** Streams and consumers are compared with what should exist this often, and also at each connection and when something is missing. */
const compareEveryMs = 10_000
/** The same while expected servers are missing: data on one server only is lost with that server. */
const compareShortEveryMs = 1_000
const failuresToBlameStore = 3
const tooFew =
  'too few nats-servers are running for the wanted replicas of the streams; the streams get more replicas ' +
  'once there are more servers'

/**
 * Connects, and reconnects for ever. Returns at once: a server that cannot be reached shows as `trouble()`. While connected it creates the
 * streams, the bucket and this node's consumer when they are missing, and publishes a probe every few seconds, since only an acknowledged
 * message proves that JetStream works.
 */
export function connectNats(options: NatsLinkOptions): NodeNatsLink {
  return new ReconnectingLink(options)
}

class ReconnectingLink implements NodeNatsLink {
  readonly nodeId: NodeId
  readonly #options: NatsLinkOptions
  readonly #stop = new AbortController()
  readonly #listeners = new Set<(nc: NatsConnection) => void>()
  readonly #running: Promise<void>
  #nc: NatsConnection | null = null
  #trouble: string | null = 'not connected to NATS yet'
  #wake = Promise.withResolvers<void>()
  #repairNow = false
  #lastServerId: string | null = null
  #brokenStore = 0
  #short = false
  #leaderlessSince: number | null = null
  /** Created and not yet reported. */
  readonly #made = new Set<string>()

  constructor(options: NatsLinkOptions) {
    this.nodeId = options.nodeId
    this.#options = options
    this.#running = this.#run()
  }

  connection(): NatsConnection | null {
    return this.#nc
  }

  async connected(signal: AbortSignal): Promise<NatsConnection> {
    signal.throwIfAborted()
    if (this.#nc !== null) return this.#nc
    const { promise, resolve, reject } = Promise.withResolvers<NatsConnection>()
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort)
    this.#listeners.add(resolve)
    try {
      return await promise
    } finally {
      this.#listeners.delete(resolve)
      signal.removeEventListener('abort', abort)
    }
  }

  subscribe(subject: string, onMessage: (message: Msg) => void): () => void {
    let unsubscribe = (): void => {}
    const listener = (nc: NatsConnection): void => {
      const callback = (error: Error | null, message: Msg): void => {
        if (error === null) onMessage(message)
      }
      const subscription = nc.subscribe(subject, { callback })
      unsubscribe = (): void => {
        if (!nc.isClosed()) subscription.unsubscribe()
      }
    }
    if (this.#nc !== null) listener(this.#nc)
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
      unsubscribe()
    }
  }

  onConnected(listener: () => void): () => void {
    // Wrapped, since one function may be registered twice.
    const own = (): void => listener()
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  trouble(): string | null {
    return this.#trouble
  }

  shortage(): string | null {
    return this.#short ? tooFew : null
  }

  repair(): void {
    this.#repairNow = true
    this.#wake.resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#wake.resolve()
    await this.#running
    this.#trouble = 'the connection to NATS was closed'
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    let redialMs = firstRedialMs
    while (!signal.aborted) {
      try {
        await this.#live(await dial(this.#options.url, this.nodeId))
        redialMs = firstRedialMs
      } catch (error) {
        this.#setTrouble(
          error instanceof AnchorageError ? error.message : `cannot connect to NATS: ${explain(error)}`,
        )
      }
      await delay(redialMs * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => {})
      redialMs = Math.min(redialMs * 2, maxRedialMs)
    }
  }

  /** Uses one connection until it closes or this node stops. */
  async #live(nc: NatsConnection): Promise<void> {
    const closed = nc.closed().then((error) => {
      this.#nc = null
      this.#setTrouble(`lost the connection to NATS${error instanceof Error ? `: ${error.message}` : ''}`)
      this.#wake.resolve()
    })
    try {
      await this.#admit(nc)
      this.#nc = nc
      for (const listener of this.#listeners) listener(nc)
      await this.#watch(nc)
      if (!nc.isClosed()) await nc.drain()
    } finally {
      await nc.close()
      await closed
    }
  }

  /** Refuses the NATS of another cluster: its nodes and ours would take the one leadership from each other. */
  async #admit(nc: NatsConnection): Promise<void> {
    const { clusterId } = this.#options
    if (clusterId === undefined) return
    const owner = await ownerOf(nc)
    if (owner !== null) this.#assertOurs(owner, clusterId)
  }

  #assertOurs(owner: string, clusterId: string): void {
    if (owner === clusterId) return
    const error = foreignNats(owner, clusterId)
    this.#options.onForeign?.(error)
    throw error
  }

  async #watch(nc: NatsConnection): Promise<void> {
    let comparedAt = -Infinity
    while (!nc.isClosed() && !this.#stop.signal.aborted) {
      if (
        this.#repairNow ||
        this.#trouble !== null ||
        performance.now() - comparedAt >= this.#compareEveryMs()
      ) {
        this.#repairNow = false
        comparedAt = performance.now()
        await this.#makeMissing(nc)
      }
      await this.#probe(nc)
      await this.#pause()
    }
  }

  #compareEveryMs(): number {
    return this.#short ? compareShortEveryMs : compareEveryMs
  }

  async #makeMissing(nc: NatsConnection): Promise<void> {
    const { log, clusterId, onRebuilt, onBrokenStore } = this.#options
    const layout = this.#layout()
    const short = new Set<string>()
    try {
      await makeMissing(nc, this.nodeId, layout, {
        onMade: (name) => this.#made.add(name),
        onFewer: (name) => short.add(name),
      })
      if (clusterId !== undefined) this.#assertOurs(await becomeOwner(nc, clusterId), clusterId)
      this.#brokenStore = 0
      this.#leaderlessSince = null
      this.#noteShort(short, layout.replicas)
      // Hints that the only server had not yet written to disk are lost when that server restarts.
      const serverId = nc.info?.server_id ?? null
      if (layout.alone && this.#lastServerId !== null && this.#lastServerId !== serverId)
        this.#made.add('nats-server')
      this.#lastServerId = serverId
      if (this.#made.size === 0) return
      const made = [...this.#made]
      this.#made.clear()
      log.info({ made }, "JetStream's streams were created again; hints are sent again from Postgres")
      onRebuilt?.(made)
    } catch (error) {
      if (nc.isClosed()) return
      if (error instanceof AnchorageError) throw error
      this.#setTrouble(`JetStream cannot create the missing streams: ${this.#why(error)}`)
      this.#repairNow = true
      if (error instanceof Leaderless) await this.#renew(nc, error.stream)
      this.#brokenStore = isBrokenStore(error) ? this.#brokenStore + 1 : 0
      if (this.#brokenStore < failuresToBlameStore) return
      this.#brokenStore = 0
      onBrokenStore?.(explain(error))
    }
  }

  /**
   * Deletes a stream that has had no leader for too long, so that it is created again. Everything in it is in Postgres too: losing messages
   * in transit is better than waiting until its servers are back.
   */
  async #renew(nc: NatsConnection, stream: string): Promise<void> {
    const { leaderlessMs = 20_000, log } = this.#options
    if (this.#layout().alone) return
    // A server that was cut off knows no leader for a while, even after it is back. That time does not count.
    if (!(await hasQuorum(nc))) {
      this.#leaderlessSince = null
      return
    }
    const nowMs = performance.now()
    // Not all nodes should act at the same moment.
    this.#leaderlessSince ??= nowMs + (Math.random() * leaderlessMs) / 4
    if (nowMs - this.#leaderlessSince < leaderlessMs) return
    this.#leaderlessSince = null
    log.warn(
      { stream },
      'the servers that kept a stream are gone; it is created again on the remaining servers',
    )
    await deleteStream(nc, stream)
  }

  #why(error: unknown): string {
    const isSilence = (error instanceof TimeoutError || error instanceof Leaderless) && !this.#layout().alone
    return (
      explain(error) +
      (isSilence ? "; its servers have no quorum, or this node's server cannot reach them" : '')
    )
  }

  #layout(): Layout {
    return this.#options.layout?.() ?? { replicas: 1, alone: true }
  }

  #noteShort(short: ReadonlySet<string>, replicas: number): void {
    const isShort = short.size > 0
    if (isShort && !this.#short) this.#options.log.warn({ streams: [...short], replicas }, tooFew)
    this.#short = isShort
  }

  async #probe(nc: NatsConnection): Promise<void> {
    if (this.#repairNow || nc.isClosed()) return
    try {
      await probe(nc)
      this.#setTrouble(null)
    } catch (error) {
      if (!nc.isClosed()) this.#setTrouble(`JetStream does not accept messages: ${this.#why(error)}`)
    }
  }

  async #pause(): Promise<void> {
    const { probeEveryMs = 2_000 } = this.#options
    const timer = new AbortController()
    const pauseMs = this.#trouble === null ? probeEveryMs : Math.min(probeEveryMs, 500)
    await Promise.race([
      this.#wake.promise,
      delay(pauseMs, undefined, { signal: timer.signal }).catch(() => {}),
    ])
    timer.abort()
    this.#wake = Promise.withResolvers<void>()
  }

  #setTrouble(trouble: string | null): void {
    const before = this.#trouble
    this.#trouble = trouble
    if (this.#stop.signal.aborted || (trouble === null) === (before === null)) return
    if (trouble === null) this.#options.log.info({}, 'NATS is available: JetStream accepts messages')
    else this.#options.log.warn({ reason: trouble }, 'NATS is unavailable; pins are delayed, not lost')
  }
}

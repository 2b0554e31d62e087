import { setTimeout as delay } from 'node:timers/promises'
import type { Msg, NatsConnection } from '@nats-io/nats-core'
import { jetstream, type JetStreamClient } from '@nats-io/jetstream'
import { AnchorageError } from '../core/errors.ts'
import type { NodeId } from '../core/ids.ts'
import type { Job } from '../core/placement.ts'
import type { Bus, Log } from '../core/ports.ts'
import type { NodeNatsLink } from './nats-link.ts'
import { explain } from './nats-error.ts'
import { jobMessageId, readJob, writeJob } from './job-message.ts'
import { ackWaitMs, consumerName, jobSubject, jobsStream, maxAckPending } from './names.ts'
import { answer, startPull, type PullEnd, type RunningPull, type Verdict } from './pull.ts'

/** How many messages of each kind this process saw. */
export interface BusCounts {
  published: number
  consumed: number
  /** Messages that this version cannot read. */
  unreadable: number
}

const maxInFlight = 256
const publishTimeoutMs = 2_000
const retryAfterMs = 2_000
const maxRepullMs = 2_000

/** The hints between nodes, over JetStream. */
export class JetStreamBus implements Bus {
  readonly counts: BusCounts = { published: 0, consumed: 0, unreadable: 0 }
  readonly #link: NodeNatsLink
  readonly #log: Log
  readonly #waiting: (() => void)[] = []
  #inFlight = 0
  #client: { nc: NatsConnection; js: JetStreamClient } | null = null
  #warned = false

  constructor(link: NodeNatsLink, log: Log) {
    this.#link = link
    this.#log = log
  }

  trouble(): string | null {
    return this.#link.trouble()
  }

  async publishJobs(jobs: Job[]): Promise<void> {
    let next = 0
    let failed = false
    const lane = async (): Promise<void> => {
      for (let job = jobs[next++]; job !== undefined && !failed; job = jobs[next++]) await this.#publish(job)
    }
    const lanes = Array.from({ length: Math.min(jobs.length, maxInFlight) }, () =>
      lane().catch((cause: unknown) => {
        // Waiting for one time-out is enough: the other lanes stop after the job that they have in flight.
        failed = true
        throw new AnchorageError('unavailable', 'JetStream does not accept jobs', { cause })
      }),
    )
    const refused = (await Promise.allSettled(lanes)).find((outcome) => outcome.status === 'rejected')
    if (refused !== undefined) throw refused.reason
  }

  async consumeJobs(
    nodeId: NodeId,
    maxPending: number,
    onJob: (job: Job) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const hand = new Hand(Math.min(maxPending, maxAckPending), (message) =>
      this.#handle(message, nodeId, onJob),
    )
    const reminder = setInterval(() => hand.stillWorking(), ackWaitMs / 4)
    try {
      for (let repullMs = 50; !signal.aborted; repullMs = Math.min(repullMs * 2, maxRepullMs)) {
        const startedAt = performance.now()
        const ended = await this.#pullOnce(nodeId, hand, signal)
        if (ended === 'missing') this.#link.repair()
        if (performance.now() - startedAt > maxRepullMs) repullMs = 50
        await delay(repullMs, undefined, { signal }).catch(() => {})
      }
      await hand.empty()
    } finally {
      clearInterval(reminder)
    }
  }

  async #pullOnce(nodeId: NodeId, hand: Hand, signal: AbortSignal): Promise<PullEnd> {
    try {
      const nc = await this.#link.connected(signal)
      return await hand.pullFrom((take) =>
        startPull(nc, { stream: jobsStream, consumer: consumerName(nodeId), ...take }, signal),
      )
    } catch (error) {
      if (!signal.aborted) this.#log.debug({ reason: explain(error) }, 'cannot ask for jobs')
      return 'closed'
    }
  }

  /** The time-out includes the wait for a slot, so that a server that hangs costs every caller the same. */
  async #publish(job: Job): Promise<void> {
    const deadline = performance.now() + publishTimeoutMs
    await this.#takeSlot()
    try {
      const nc = this.#link.connection()
      const timeout = Math.ceil(deadline - performance.now())
      if (nc === null) throw new Error('not connected')
      if (timeout <= 0) throw new Error('no answer in time')
      await this.#clientOf(nc).publish(jobSubject(job.nodeId), writeJob(job), {
        msgID: jobMessageId(job),
        timeout,
      })
      this.counts.published += 1
    } finally {
      this.#freeSlot()
    }
  }

  /** The client is kept as long as its connection: creating one costs as much as a publish. */
  #clientOf(nc: NatsConnection): JetStreamClient {
    if (this.#client?.nc !== nc) this.#client = { nc, js: jetstream(nc) }
    return this.#client.js
  }

  async #takeSlot(): Promise<void> {
    if (this.#inFlight >= maxInFlight) await new Promise<void>((granted) => this.#waiting.push(granted))
    else this.#inFlight += 1
  }

  #freeSlot(): void {
    const granted = this.#waiting.shift()
    if (granted === undefined) this.#inFlight -= 1
    else granted()
  }

  async #handle(message: Msg, nodeId: NodeId, onJob: (job: Job) => Promise<void>): Promise<Verdict> {
    const job = readJob(nodeId, message.string())
    if (job === null) {
      this.counts.unreadable += 1
      if (!this.#warned)
        this.#log.warn({ subject: message.subject }, 'dropping jobs that this version cannot read')
      this.#warned = true
      return 'term'
    }
    this.counts.consumed += 1
    try {
      await onJob(job)
      return 'ack'
    } catch (error) {
      this.#log.debug({ err: error, cid: job.cid }, 'a job could not be handled; it is delivered again')
      return { retryAfterMs }
    }
  }
}

/** The messages that are being worked on. A `Hand` outlives connections, so that their number stays bounded across them. */
class Hand {
  readonly #max: number
  readonly #handle: (message: Msg) => Promise<Verdict>
  readonly #held = new Set<Msg>()
  #pull: RunningPull | null = null
  #whenEmpty: (() => void) | null = null

  constructor(max: number, handle: (message: Msg) => Promise<Verdict>) {
    this.#max = max
    this.#handle = handle
  }

  async pullFrom(
    start: (take: { room: () => number; onMessage: (message: Msg) => void }) => RunningPull,
  ): Promise<PullEnd> {
    const take = { room: () => this.#room(), onMessage: (message: Msg) => void this.#take(message) }
    this.#pull = start(take)
    return await this.#pull.ended
  }

  /** Tells the server that the held jobs are in progress, so that it does not deliver them again. */
  stillWorking(): void {
    for (const message of this.#held) answer(message, 'working')
  }

  empty(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenEmpty = resolve
      if (this.#held.size === 0) resolve()
    })
  }

  /** Asks for at least half of the maximum at once: a request per message would cost as much as the message. */
  #room(): number {
    const free = this.#max - this.#held.size
    return free * 2 >= this.#max ? free : 0
  }

  async #take(message: Msg): Promise<void> {
    this.#held.add(message)
    const verdict = await this.#handle(message)
    this.#held.delete(message)
    answer(message, verdict)
    this.#pull?.more()
    if (this.#held.size === 0) this.#whenEmpty?.()
  }
}

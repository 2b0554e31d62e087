import { backoffMs } from './backoff.ts'
import type { Epoch } from '../core/epoch.ts'
import type { Clock, Log } from '../core/ports.ts'
import { aborted } from '../process/aborted.ts'
import { LeaderTerm, type TermEnd, type TermLimits } from './leader-term.ts'

/** The counts of what one run of a worker did, shown to operators unchanged. */
export type Report = Readonly<Record<string, number | boolean>>

/** The input of a worker's run. Its signal aborts when the process stops or, for a leader's worker, when leadership ends. */
export interface Turn {
  signal: AbortSignal
}

/** A leader's turn; every write it makes is fenced by `epoch`. */
export interface LeaderTurn extends Turn {
  epoch: Epoch
}

interface Routine {
  name: string
  everyMs: number
  /** The delay before the first run; none when left out. A nudge does not wait for it. */
  firstAfterMs?: number
}

/**
 * An idempotent function of the world: it reads, does a bounded batch, reports counts. It neither retries nor sleeps; the driver
 * does both.
 */
export type Worker = NodeWorker | LeaderWorker

/** Runs on every node. */
export interface NodeWorker extends Routine {
  leaderOnly: false
  run(turn: Turn): Promise<Report>
}

/** Runs only on the leader. */
export interface LeaderWorker extends Routine {
  leaderOnly: true
  run(turn: LeaderTurn): Promise<Report>
}

/** The state of a worker, and how its last run went. */
export interface WorkerStatus {
  name: string
  running: boolean
  runs: number
  /** Failures in a row; 0 while all is well. */
  failures: number
  /** When its last run ended, ms since 1970. */
  endedAtMs: number | null
  tookMs: number | null
  /** The report of the last run that succeeded. */
  report: Report | null
}

/** Runs workers on timers and when nudged; a worker never has two runs at a time. */
export interface Driver {
  /** Adds a worker, which starts at once if the driver runs. Its name must be new. */
  add(worker: Worker): void
  /** Runs the worker now, or once more if it is running. A nudge for a worker that may not run now is kept until it may. */
  nudge(name: string): void
  /**
   * This node leads under `epoch`: leader workers run now, and then on their timers. Resolves with the reason when `lease` aborts, or when
   * the term ends earlier because its work cannot be done (`LeaderTerm`). Then the caller has to give up the lease.
   */
  lead(epoch: Epoch, lease: AbortSignal): Promise<TermEnd>
  reports(): WorkerStatus[]
  /** Resolves when `signal` has aborted and the last run has returned. Call it once. */
  run(signal: AbortSignal): Promise<void>
}

const backoff = { minMs: 1_000, maxMs: 300_000 }

export function driver(parts: DriverParts): Driver {
  return new Loops(parts)
}

/** The dependencies of a driver. */
export interface DriverParts {
  clock: Clock
  log: Log
  random?: () => number
  /** When the leader gives up. */
  limits: TermLimits
}

interface Loop {
  worker: Worker
  status: WorkerStatus
  nudged: boolean
  wake: AbortController | null
}

/** One run, which is cut short when `signal` aborts. */
interface Run {
  work: () => Promise<Report>
  signal: AbortSignal
}

class Loops implements Driver {
  readonly #clock: Clock
  readonly #log: Log
  readonly #random: () => number
  readonly #loops = new Map<string, Loop>()
  readonly #running = new Set<Promise<void>>()
  readonly #limits: TermLimits
  #signal: AbortSignal | null = null
  #leading: LeaderTerm | null = null

  constructor({ clock, log, random = Math.random, limits }: DriverParts) {
    this.#clock = clock
    this.#log = log
    this.#random = random
    this.#limits = limits
  }

  add(worker: Worker): void {
    const { name } = worker
    if (this.#loops.has(name)) throw new Error(`two workers named ${name}`)
    const status = { name, running: false, runs: 0, failures: 0, endedAtMs: null, tookMs: null, report: null }
    const loop = { worker, status, nudged: false, wake: null }
    this.#loops.set(name, loop)
    if (this.#signal !== null) this.#start(loop, this.#signal)
  }

  nudge(name: string): void {
    const loop = this.#loops.get(name)
    if (loop === undefined) throw new Error(`no worker named ${name}`)
    loop.nudged = true
    loop.wake?.abort()
  }

  async lead(epoch: Epoch, lease: AbortSignal): Promise<TermEnd> {
    const term = new LeaderTerm({ epoch, lease, limits: this.#limits, clock: this.#clock, log: this.#log })
    const loops = [...this.#loops.values()].filter(({ worker }) => worker.leaderOnly)
    this.#leading = term
    for (const { worker } of loops) this.nudge(worker.name)
    const why = await term.ended
    if (this.#leading === term) this.#leading = null
    // Failures belong to the term. The next one begins without their delays, also on this node.
    for (const { status } of loops) status.failures = 0
    return why
  }

  reports(): WorkerStatus[] {
    return Array.from(this.#loops.values(), ({ status }) => ({ ...status }))
  }

  async run(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    this.#signal = signal
    for (const loop of this.#loops.values()) this.#start(loop, signal)
    await aborted(signal)
    for (const loop of this.#loops.values()) loop.wake?.abort()
    await Promise.all(this.#running)
  }

  #start(loop: Loop, signal: AbortSignal): void {
    const running = this.#loop(loop, signal).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async #loop(loop: Loop, signal: AbortSignal): Promise<void> {
    let waitMs = loop.worker.firstAfterMs ?? 0
    while (!signal.aborted) {
      if (waitMs > 0) await this.#rest(loop, waitMs, signal)
      waitMs = loop.worker.everyMs
      const run = this.#turn(loop.worker, signal)
      if (run === null || signal.aborted) continue
      loop.nudged = false
      await this.#once(loop, run)
      const { failures } = loop.status
      if (failures > 0) waitMs = backoffMs(failures, backoff, this.#random())
    }
  }

  /** The worker's next run, or null while it may not run. */
  #turn(worker: Worker, signal: AbortSignal): Run | null {
    if (!worker.leaderOnly) return { work: () => worker.run({ signal }), signal }
    const term = this.#leading
    if (term === null || term.signal.aborted) return null
    const turn = { epoch: term.epoch, signal: AbortSignal.any([term.signal, signal]) }
    return { work: () => term.run(() => worker.run(turn)), signal: turn.signal }
  }

  async #once({ worker, status }: Loop, { work, signal }: Run): Promise<void> {
    const startMs = this.#clock.steadyMs()
    status.running = true
    try {
      status.report = await work()
      if (status.failures > 0) this.#log.info({ worker: worker.name }, 'worker works again')
      status.failures = 0
    } catch (error) {
      // A run that was cut short by a stop or by the end of its term did not fail.
      if (signal.aborted) return
      status.failures++
      this.#log.warn(
        { err: error, worker: worker.name, failures: status.failures },
        'worker failed; it will run again',
      )
    } finally {
      status.running = false
      status.runs++
      status.endedAtMs = this.#clock.now()
      status.tookMs = this.#clock.steadyMs() - startMs
    }
  }

  /** Waits for `ms` or until nudged. */
  async #rest(loop: Loop, ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || (loop.nudged && this.#turn(loop.worker, signal) !== null)) return
    loop.wake = new AbortController()
    await this.#clock.sleep(ms, loop.wake.signal).catch(() => undefined)
    loop.wake = null
  }
}

import { AnchorageError, isCode } from '../../src/core/errors.ts'
import type { NodeId } from '../../src/core/ids.ts'
import { idOf } from '../../src/core/ids.ts'
import type { Node } from '../../src/core/node.ts'
import type { RepairPolicy } from '../../src/core/plan-repair.ts'
import type { PlanStore } from '../../src/core/plan-ports.ts'
import type { Plan } from '../../src/core/plan.ts'
import type { Log, RepairStore } from '../../src/core/ports.ts'
import type { Repair } from '../../src/core/repair.ts'
import type { LeaderTurn, LeaderWorker } from '../../src/workers/driver.ts'
import { rebalance } from '../../src/workers/rebalance.ts'
import { repair } from '../../src/workers/repair.ts'
import type { Epoch } from './database.ts'
import type { LeaderDatabase } from './leader-database.ts'
import type { PinDatabase } from './pin-database.ts'
import type { Random } from '../../testing/random.ts'
import type { VirtualTime } from './time.ts'

export interface LeaderParts {
  time: VirtualTime
  random: Random
  db: LeaderDatabase
  pinDb: PinDatabase
  policy: RepairPolicy
  nodes: () => readonly Node[]
  reachesPostgres: () => boolean
  /** Changes a repair before it is applied, to simulate a leader that breaks the rules. */
  bend: (repair: Repair, nodes: readonly Node[]) => Repair
  /** Called when a worker fails for another reason than a refused write or a lost answer. */
  onError: (error: Error) => void
}

export const planId = idOf('pln', '00000000-0000-7000-8000-000000000000')

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }

/**
 * A leader with its real workers, repair and rebalance, over the simulated database. Each call takes a while, sometimes so long that
 * another leader takes over meanwhile. A call may succeed without effect, be done twice, or be done without an answer. The leader ends
 * when it is told to, or when the database says that its epoch is over.
 */
export class Leader {
  readonly host: NodeId
  readonly epoch: Epoch
  readonly #parts: LeaderParts
  readonly #end = new AbortController()
  readonly #workers: LeaderWorker[]
  /** Its process died: nothing that it waits for ever arrives. */
  #isDead = false
  isFaulty = true

  constructor(host: NodeId, parts: LeaderParts) {
    this.host = host
    this.#parts = parts
    this.epoch = parts.db.elect()
    const bus = { publishJobs: () => Promise.resolve() }
    const limits = { moves: 64, bytes: Number.MAX_SAFE_INTEGER }
    const clock = { now: () => parts.time.now }
    const store = this.#repairStore()
    this.#workers = [
      repair({
        store,
        nodes: parts.nodes,
        bus,
        policy: parts.policy,
        acceptMs: () => null,
        clock,
        log: silent,
      }),
      rebalance({
        plans: this.#planStore(),
        copies: store,
        bus,
        limits,
        acceptMs: () => null,
        clock,
        log: silent,
      }),
    ]
  }

  get isOver(): boolean {
    return this.#isDead || this.#end.signal.aborted
  }

  kill(): void {
    this.#isDead = true
  }

  stop(): void {
    this.#end.abort(new Error('leadership is over'))
  }

  /** Leads until its term is over. */
  async run(): Promise<void> {
    const { time, db, pinDb } = this.#parts
    const turn: LeaderTurn = { epoch: this.epoch, signal: this.#end.signal }
    while (!this.isOver) {
      for (const worker of this.#workers) await this.#turn(() => worker.run(turn))
      await this.#turn(() => this.#write(() => db.requeueExpired(this.epoch)))
      await this.#turn(() => this.#write(() => pinDb.releaseHolds(this.epoch)))
      await this.#turn(() => this.#write(() => db.releaseDue(this.epoch)))
      await time.sleep(2_000)
    }
  }

  /** A failed run is tried again at the next turn; when its epoch is over, this is the last run. */
  async #turn(run: () => Promise<unknown>): Promise<void> {
    try {
      await run()
    } catch (error) {
      if (isCode(error, 'not_leading')) this.stop()
      else if (error instanceof Error && !isCode(error, 'maintenance', 'unavailable') && !this.isOver)
        this.#parts.onError(error)
    }
  }

  #repairStore(): RepairStore {
    const { db } = this.#parts
    const jobs = { jobs: [] }
    return {
      unsettled: (afterCid, limit) => this.#read(() => db.unsettled(afterCid, limit)),
      walks: () => this.#read(() => db.walks()),
      beginWalk: (epoch, nodeId) => this.#write(() => db.beginWalk(epoch, nodeId)),
      onNode: (nodeId, afterCid, limit) => this.#read(() => db.onNode(nodeId, afterCid, limit)),
      advanceWalk: (epoch, nodeId, afterCid) => this.#write(() => db.advanceWalk(epoch, nodeId, afterCid)),
      apply: (epoch, repairs) => {
        const bent = repairs.map((one) => this.#parts.bend(one, this.#parts.nodes()))
        return this.#write(() => ({ ...db.apply(epoch, bent), ...jobs }))
      },
      moving: () => this.#read(() => db.moving()),
      noteDown: (epoch, nodeId, down) => this.#write(() => db.noteDown(epoch, nodeId, down)),
      downNodes: () => this.#read(() => db.downNodes()),
      noteDrained: (epoch) => this.#write(() => db.noteDrained(epoch)),
    }
  }

  #planStore(): Pick<PlanStore, 'applying' | 'startMoves' | 'settleMoves'> {
    const { db } = this.#parts
    const applying = (): Plan | null => {
      if (db.plan === null || db.plan.isApplied) return null
      const moves = { moves: 0, done: 0, skipped: 0 }
      const bytes = { bytes: 0, bytesDone: 0, bytesSkipped: 0 }
      const { id, createdAt } = { id: planId, createdAt: new Date(0) }
      return { id, state: 'applying', createdAt, actor: '', summary: {}, ...moves, ...bytes }
    }
    return {
      applying: () => this.#read(applying),
      startMoves: (epoch, _id, limit) => this.#write(() => ({ ...db.startMoves(epoch, limit), jobs: [] })),
      settleMoves: (epoch) => this.#write(() => db.settleMoves(epoch)),
    }
  }

  async #read<T>(work: () => T): Promise<T> {
    await this.#wait()
    return work()
  }

  async #write<T>(work: () => T): Promise<T> {
    const { random } = this.#parts
    await this.#wait()
    const result = work()
    if (!this.isFaulty) return result
    // the caller repeats it, because it did not get the answer
    if (random.chance(0.02)) work()
    if (random.chance(0.01)) throw new AnchorageError('unavailable', 'the answer was lost')
    return result
  }

  async #wait(): Promise<void> {
    const { time, random } = this.#parts
    const stalls = this.isFaulty && random.chance(0.002)
    await time.sleep(stalls ? random.int(20_000, 90_000) : random.int(1, 20))
    if (this.#isDead) await new Promise(() => {})
    if (!this.#parts.reachesPostgres()) throw new AnchorageError('unavailable', 'Postgres cannot be reached')
  }
}

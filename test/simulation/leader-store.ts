import type { Epoch } from '../../src/core/epoch.ts'
import { AnchorageError } from '../../src/core/errors.ts'
import { idOf, type NodeId } from '../../src/core/ids.ts'
import type { Node } from '../../src/core/node.ts'
import type { PlanStore } from '../../src/core/plan-ports.ts'
import type { Plan } from '../../src/core/plan.ts'
import type { EpochStore, RepairStore, SweepStore } from '../../src/core/ports.ts'
import type { Repair } from '../../src/core/repair.ts'
import type { Random } from '../../testing/random.ts'
import type { Database } from './database.ts'
import type { LeaderDatabase } from './leader-database.ts'
import type { PinDatabase } from './pin-database.ts'
import type { Process } from './process.ts'

export interface LeaderStoreParts {
  process: Process
  random: Random
  tables: Database
  db: LeaderDatabase
  pinDb: PinDatabase
  nodes: () => readonly Node[]
  /** Changes a repair before it is applied, to simulate a leader that breaks the rules. */
  bend: (repair: Repair, nodes: readonly Node[]) => Repair
  reachesPostgres: () => boolean
  isFaulty: () => boolean
  /** Called when the leader decides that a node is down, and when it has noted that it is back. */
  onDown: (nodeId: NodeId) => void
  onBack: (nodeId: NodeId) => void
}

export const planId = idOf('pln', '00000000-0000-7000-8000-000000000000')

/** The longest backoff of the machines. */
const longestWaitMs = 5_000

const noJobs = { jobs: [] }

/**
 * The store as a leader reaches it. Each call takes a while, sometimes so long that another leader takes over meanwhile. A call may succeed
 * without effect, be done twice, or be done without an answer.
 */
export class LeaderStore {
  readonly #parts: LeaderStoreParts

  constructor(parts: LeaderStoreParts) {
    this.#parts = parts
  }

  epochs(): EpochStore {
    const { tables } = this.#parts
    return {
      present: () => this.#read(() => tables.epoch),
      take: (seen, termId): Promise<Epoch | null> => this.#write(() => tables.takeEpoch(seen, termId)),
    }
  }

  repair(): RepairStore {
    const { db, nodes, bend, onDown, onBack } = this.#parts
    return {
      unsettled: (afterCid, limit) => this.#read(() => db.unsettled(afterCid, limit)),
      walks: () => this.#read(() => db.walks()),
      waitingOn: (nodeId, after, limit) => this.#read(() => db.waitingOn(nodeId, after, limit)),
      noteAway: (epoch, nodeId, away) => this.#write(() => db.noteAway(epoch, nodeId, away)),
      noteHeard: (epoch, nodeId) => this.#write(() => db.noteHeard(epoch, nodeId)),
      onNode: (nodeId, afterCid, limit) => this.#read(() => db.onNode(nodeId, afterCid, limit)),
      advanceWalk: (epoch, nodeId, afterCid) => this.#write(() => db.advanceWalk(epoch, nodeId, afterCid)),
      apply: (epoch, repairs) => {
        const bent = repairs.map((one) => bend(one, nodes()))
        return this.#write(() => ({ ...db.apply(epoch, bent), ...noJobs }))
      },
      moving: () => this.#read(() => db.moving()),
      noteDown: (epoch, nodeId, down) => {
        if (down) onDown(nodeId)
        return this.#write(() => {
          db.noteDown(epoch, nodeId, down)
          if (!down) onBack(nodeId)
        })
      },
      downNodes: () => this.#read(() => db.downNodes()),
      noteDrained: (epoch) => this.#write(() => db.noteDrained(epoch)),
    }
  }

  plans(): Pick<PlanStore, 'applying' | 'startMoves' | 'settleMoves'> {
    const { db } = this.#parts
    const applying = (): Plan | null => {
      if (db.plan === null || db.plan.isApplied) return null
      const moves = { moves: 0, done: 0, skipped: 0 }
      const bytes = { bytes: 0, bytesDone: 0, bytesSkipped: 0 }
      return {
        id: planId,
        state: 'applying',
        createdAt: new Date(0),
        actor: '',
        summary: {},
        ...moves,
        ...bytes,
      }
    }
    return {
      applying: () => this.#read(applying),
      startMoves: (epoch, _id, limit) => this.#write(() => ({ ...db.startMoves(epoch, limit), ...noJobs })),
      settleMoves: (epoch) => this.#write(() => db.settleMoves(epoch)),
    }
  }

  sweep(): SweepStore {
    const { db, pinDb } = this.#parts
    const nothing = { rows: 0, ...noJobs }
    return {
      requeueExpiredClaims: (epoch) => this.#write(() => ({ rows: db.requeueExpired(epoch), ...noJobs })),
      releaseHolds: (epoch) => this.#write(() => ({ rows: pinDb.releaseHolds(epoch), ...noJobs })),
      releaseDue: (epoch) => this.#write(() => ({ rows: db.releaseDue(epoch), ...noJobs })),
      boundTimes: (epoch) => this.#write(() => ({ rows: db.boundTimes(epoch, longestWaitMs), ...noJobs })),
      // the simulated store folds at once, and no org is ever suspended
      finishFolds: () => this.#read(() => nothing),
      wakePutBy: () => this.#read(() => nothing),
      lostHints: (overdueMs, limit) => this.#read(() => db.lostHints(overdueMs, limit)),
    }
  }

  /** A statement that was sent is carried out, also when its process freezes or dies meanwhile. */
  async #read<T>(work: () => T): Promise<T> {
    const { process, random, reachesPostgres, isFaulty } = this.#parts
    const stalls = isFaulty() && random.chance(0.002)
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const carryOut = (): void => {
      try {
        if (!reachesPostgres()) throw new AnchorageError('unavailable', 'Postgres cannot be reached')
        resolve(work())
      } catch (error) {
        reject(error)
      }
    }
    process.send(stalls ? random.int(20_000, 90_000) : random.int(1, 10), carryOut)
    await promise.catch(() => {})
    await process.pass(random.int(1, 10))
    return promise
  }

  async #write<T>(work: () => T): Promise<T> {
    const { random, isFaulty } = this.#parts
    const isTwice = isFaulty() && random.chance(0.02)
    const isLost = isFaulty() && random.chance(0.01)
    const result = await this.#read(() => {
      const answer = work()
      // the caller repeats it, because it did not get the answer
      if (isTwice) work()
      return answer
    })
    if (isLost) throw new AnchorageError('unavailable', 'the answer was lost')
    return result
  }
}

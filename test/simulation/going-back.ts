import { strict as assert } from 'node:assert'
import type { NodeId } from '../../src/core/ids.ts'
import type { Random } from '../../testing/random.ts'
import type { Database } from './database.ts'
import type { LeaderDatabase } from './leader-database.ts'
import type { Machine } from './machine.ts'
import type { VirtualTime } from './time.ts'
import type { Watch } from './watch.ts'

export interface GoingBackParts {
  time: VirtualTime
  random: Random
  db: Database
  leaderDb: LeaderDatabase
  watch: Watch
  machines: () => readonly Machine[]
  /** Whether the rows are still to be saved. */
  saves: () => boolean
  /** Accepts a pin of content that a node has and that no pin wants. */
  adopt: (cid: string, nodeId: NodeId) => void
  /** Called after the rows have become those of an earlier moment. */
  onBack: () => void
}

interface Save {
  rows: ReturnType<Database['save']>
  plan: LeaderDatabase['plan']
}

type Seen = Parameters<Database['markRestored']>[1]

const saveEveryMs = 30_000
/** The oldest save is about five minutes old. */
const savesMax = 10
/** A node that is gone may be forgotten once its last sign of life is older than this. */
const freshMs = 16_000

/**
 * The database that goes back to an earlier moment while processes and Kubos go on, the mark that follows within seconds, and the operators
 * who decide for all nodes, one by one or at once, and forget again the nodes that are gone.
 */
export class GoingBack {
  readonly #parts: GoingBackParts
  #saves: Save[] = []
  #restores = 0
  /** How far the database had come before it went back, until a node notices. */
  #unnoticed: Seen | null = null

  constructor(parts: GoingBackParts) {
    this.#parts = parts
    this.#saveNow()
  }

  /** All that waits for an operator has been decided, and every node has compared its Kubo. */
  get isOver(): boolean {
    const { db } = this.#parts
    return [...db.nodes.values()].every(({ id }) => db.stageOf(id) === 'done')
  }

  goBack(): void {
    const { db, leaderDb, random, time, watch, machines, onBack } = this.#parts
    const seen = { generation: db.generation, epoch: db.epoch }
    const at = random.int(0, this.#saves.length - 1)
    this.#saves = this.#saves.slice(0, at + 1)
    const { rows, plan } = this.#saves[at] ?? assert.fail('the first state is always saved')
    db.goBack(rows)
    leaderDb.plan = structuredClone(plan)
    // nodes that joined since make their rows again
    for (const { id, zone } of machines()) if (!db.nodes.has(id)) db.addNode(id, zone)
    watch.wentBack()
    onBack()
    this.#unnoticed = seen
    time.after(random.int(0, 2_000), () => this.notice())
  }

  /** A node looks at the database: the first one marks it as restored. */
  notice(): void {
    const seen = this.#unnoticed
    this.#unnoticed = null
    if (seen !== null) this.#mark(seen)
  }

  /** Every node is decided for, and those that are gone are forgotten. */
  decideAll(): void {
    const { db, machines } = this.#parts
    if (db.restoreId === null) return
    for (const machine of machines()) this.#decide(machine, db.restoreId)
    this.#forgetGone()
  }

  #mark(seen: Seen): void {
    const { db, random, time, machines, watch } = this.#parts
    const restoreId = ++this.#restores
    db.markRestored(restoreId, seen)
    watch.noticed()
    const atOnceMs = random.chance(0.5) ? random.int(5_000, 120_000) : null
    const adopts = random.chance(0.3)
    for (const machine of machines())
      time.after(atOnceMs ?? random.int(5_000, 200_000), () => {
        if (adopts) this.#adopt(machine)
        this.#decide(machine, restoreId)
      })
    time.after(random.int(freshMs, 200_000), () => this.#forgetGone())
  }

  #decide(machine: Machine, restoreId: number): void {
    const { db } = this.#parts
    const row = db.nodes.get(machine.id)
    if (row === undefined || db.restoreId !== restoreId) return
    row.confirmedRestore = restoreId
    machine.decided()
  }

  #adopt(machine: Machine): void {
    const { db, adopt } = this.#parts
    if (db.nodes.has(machine.id)) for (const cid of machine.strays()) adopt(cid, machine.id)
  }

  /** Rows of nodes that had been forgotten since: nobody starts them again. */
  #forgetGone(): void {
    const { db, leaderDb, machines, time, watch } = this.#parts
    const there = new Set(machines().map(({ id }) => id))
    const gone = [...db.nodes.values()].filter(({ id }) => !there.has(id))
    for (const { id, lastSeen } of gone) {
      if (db.now() - lastSeen < freshMs) time.after(freshMs, () => this.#forgetGone())
      else {
        watch.givesUp(leaderDb.soleContents(id))
        leaderDb.forget(id, true)
      }
    }
  }

  #saveNow(): void {
    const { db, leaderDb, time, saves } = this.#parts
    if (!saves()) return
    this.#saves = [
      ...this.#saves.slice(-savesMax + 1),
      { rows: db.save(), plan: structuredClone(leaderDb.plan) },
    ]
    time.after(saveEveryMs, () => this.#saveNow())
  }
}

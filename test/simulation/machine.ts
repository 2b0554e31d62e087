import type { Heartbeat } from '../../src/cluster/heartbeat.ts'
import type { NodeId } from '../../src/core/ids.ts'
import type { RestoreStage } from '../../src/core/marks.ts'
import type { Inability } from '../../src/core/node.ts'
import type { Finish, Job } from '../../src/core/placement.ts'
import { Absence } from './absence.ts'
import type { Database, Placement } from './database.ts'
import type { NodeDatabase } from './node-database.ts'
import type { Random } from '../../testing/random.ts'
import { Process } from './process.ts'
import type { VirtualTime } from './time.ts'
import { View, type Hearer } from './view.ts'
import type { Watch } from './watch.ts'

export interface MachineParts {
  time: VirtualTime
  random: Random
  db: Database
  nodeDb: NodeDatabase
  watch: Watch
  /** Whether another node or the network can provide it. */
  isToBeHad: (cid: string) => boolean
  sizeOf: (cid: string) => number
  lastBeat: Hearer['lastBeat']
  /** Called when a node looks how far the database has come. */
  look: () => void
  /** Called when a process of the machine starts. */
  onStart: (machine: Machine, process: Process) => void
  /** Notes what happened to a content, or to the whole cluster. */
  note: (cid: string | null, text: string) => void
}

const claimMs = 30_000
const slots = 16
const drainGraceMs = 120_000

/** One node: its process, its Kubo's disk, and how it handles jobs. It may die, freeze or be cut off at any moment. */
export class Machine {
  readonly id: NodeId
  readonly disk = new Set<string>()
  capacityBytes: number
  usedBytes = 0
  /** The time since which it is silent; null while other nodes hear it. */
  silentSince: number | null = null
  isUp = true
  /** Its process is stopped, or cannot reach any server: its pending work happens later. */
  isFrozen = false
  /** Its Kubo answers. Otherwise it hands back every attempt and, once it has noticed, begins none. */
  hasKubo = true
  /** It reaches Postgres. Otherwise it reads and writes nothing there, while its heartbeats go on. */
  get hasPostgres(): boolean {
    return this.#cutOffSince === null
  }
  readonly zone: string
  readonly absence: Absence
  /** The cluster as this node sees it. */
  readonly view: View
  readonly #parts: MachineParts
  #boot = 0
  #process: Process | null = null
  readonly #working = new Set<string>()
  /** Since when it knows of the restore that nobody has decided about for it; null without one. */
  #undecidedSince: number | null = null
  /** Its last round found nothing to change in a restored database. */
  #agreed = false
  /** It knew nothing of the cluster when it started, and the database was restored before. */
  #isNew = false
  #strays = new Set<string>()
  #drainsSince: number | null = null
  /** Since when it knows that its Kubo does not answer. */
  #kuboAwaySince: number | null = null
  #cutOffSince: number | null = null

  constructor(id: NodeId, zone: string, capacityBytes: number, parts: MachineParts) {
    this.id = id
    this.zone = zone
    this.capacityBytes = capacityBytes
    this.#parts = parts
    this.absence = new Absence(() => parts.time.now)
    this.view = new View(parts.db, parts.time, { self: () => this.beat(), lastBeat: parts.lastBeat })
  }

  /** Its heartbeat, as it would send it now. */
  beat(): Heartbeat {
    const { capacityBytes, usedBytes } = this
    const about = { name: this.id, zone: this.zone, incarnation: this.#boot, acceptMs: null }
    const [kubo, postgres] = [this.#unable('kubo'), this.#unable('postgres')]
    const unable = kubo === null || (postgres !== null && postgres.forMs > kubo.forMs) ? postgres : kubo
    return { nodeId: this.id, ...about, capacityBytes, usedBytes, state: this.view.stateOf(this.id), unable }
  }

  start(): void {
    const { nodeDb, time } = this.#parts
    this.isUp = true
    this.#cutOffSince = null
    // until it has asked
    this.#kuboAwaySince = time.now
    this.silentSince = null
    this.#noteWork()
    this.view.listenAgain()
    this.#boot = nodeDb.boot(this.id, this.#boot)
    nodeDb.voidClaims(this.id, this.#boot)
    this.#note(null, `starts, boot ${this.#boot}`)
    this.#working.clear()
    this.#undecidedSince = null
    this.#agreed = false
    this.#isNew = this.#process === null && this.#parts.db.stageOf(this.id) === 'undecided'
    const boot = this.#boot
    const isAlive = (): boolean => this.isUp && this.#boot === boot
    this.#process = new Process(time, { isAlive, isFrozen: () => this.isFrozen })
    this.#parts.onStart(this, this.#process)
    this.#see()
    this.view.read()
    this.#every(boot, 2_000, () => this.#askKubo())
    this.#every(boot, 10_000, () => this.#see())
    this.#every(boot, 4_000, () => this.view.read())
    this.#every(boot, 30_000, () => this.#poll())
    this.#every(boot, 300_000, () => this.hasKubo && this.#reconcile())
    time.after(1_000, () => this.#reconcileFirst(boot))
  }

  kill(): void {
    this.#note(null, 'dies')
    this.isUp = false
    this.isFrozen = false
    this.silentSince ??= this.#parts.time.now
    this.#noteWork()
  }

  freeze(): void {
    this.#note(null, 'freezes')
    this.isFrozen = true
    this.silentSince ??= this.#parts.time.now
    this.#noteWork()
  }

  thaw(): void {
    this.#note(null, 'goes on')
    this.isFrozen = false
    if (this.isUp) this.silentSince = null
    this.#noteWork()
    if (!this.isUp || !this.hasPostgres) return
    // its timers are overdue
    this.#see()
    this.view.read()
  }

  /** It reaches Postgres no more. */
  cutOff(): void {
    this.#note(null, 'is cut off from Postgres')
    this.#cutOffSince ??= this.#parts.time.now
    this.#noteWork()
  }

  /** It reaches Postgres again. What it knows of the others may be old. */
  reconnect(): void {
    if (this.#cutOffSince === null) return
    this.#note(null, 'reaches Postgres again')
    this.#cutOffSince = null
    this.#noteWork()
    this.view.listenAgain()
    this.#whenAwake(this.#boot, () => this.#see())
  }

  /** Its wall clock steps. */
  stepClock(ms: number): void {
    if (this.#process !== null) this.#process.offMs += ms
  }

  /** Replaces its disk by an empty one. */
  loseDisk(): void {
    this.#note(null, 'gets a new disk')
    this.disk.clear()
    this.usedBytes = 0
  }

  /** Receives a hint. */
  hear(job: Job): void {
    if (this.isUp && !this.isFrozen && this.hasPostgres) this.#attempt(job)
  }

  store(cid: string): void {
    if (this.disk.has(cid)) return
    this.disk.add(cid)
    this.usedBytes += this.#parts.sizeOf(cid)
  }

  /** A process whose row is gone, or belongs to a later process, ends. */
  #see(): void {
    const { usedBytes, capacityBytes } = this
    const sign = { usedBytes, capacityBytes, unable: this.#unable('kubo') }
    if (!this.#parts.nodeDb.see(this.id, this.#boot, sign)) this.kill()
  }

  #noteWork(): void {
    this.absence.note(this.isUp && this.#isAwake && this.#kuboAwaySince === null)
  }

  #unable(what: Inability['what']): Inability | null {
    const since = what === 'kubo' ? this.#kuboAwaySince : this.#cutOffSince
    return since === null ? null : { what, forMs: this.#parts.time.now - since, reason: 'a fault' }
  }

  #askKubo(): void {
    const isAway = this.#kuboAwaySince !== null
    if (isAway === !this.hasKubo) return
    this.#kuboAwaySince = isAway ? null : this.#parts.time.now
    this.#noteWork()
    this.#note(null, isAway ? 'its Kubo answers' : 'its Kubo does not answer')
    this.#see()
    if (isAway) this.#poll()
  }

  #attempt(job: Pick<Job, 'cid' | 'generation'>): void {
    const { db, nodeDb } = this.#parts
    // Kubo gets only one write at a time for a content
    if (this.#working.size >= slots || this.#working.has(job.cid)) return
    if (this.#kuboAwaySince !== null) return
    const isUnpin = db.placement(job.cid, this.id)?.state === 'unpinning'
    if (this.#takesOnlyUnpins() && !isUnpin) return
    if (isUnpin && this.#stage() !== 'done') return
    const [claimed] = nodeDb.claim(this.id, this.#boot, [job], claimMs)
    if (claimed !== undefined) this.#work(claimed)
  }

  #work(claimed: Placement): void {
    const { random, time } = this.#parts
    const boot = this.#boot
    this.#working.add(claimed.cid)
    // sometimes longer than its claim lasts
    const tookMs = random.chance(0.01) ? random.int(claimMs, 2 * claimMs) : random.int(20, 5_000)
    time.after(tookMs, () => this.#whenAwake(boot, () => this.#carryOut(claimed, boot)))
  }

  /** Carries out the work in Kubo, then reports it to the database; a crash may come between the two. */
  #carryOut(claimed: Placement, boot: number): void {
    const { nodeDb, random, time } = this.#parts
    const { cid, generation } = claimed
    const outcome = claimed.state === 'unpinning' ? this.#unpin(claimed) : this.#pin(claimed)
    this.#note(cid, `its Kubo: ${outcome.kind}, for generation ${generation}`)
    const finish = (): void => void nodeDb.finish(this.id, boot, [{ cid, generation, outcome }])
    time.after(random.int(0, 300), () => {
      this.#whenAwake(boot, () => {
        this.#working.delete(cid)
        finish()
        // a lost answer: the same report is sent again, whatever has begun since
        if (random.chance(0.05)) time.after(random.int(1, 3_000), () => this.#whenAwake(boot, finish))
      })
    })
  }

  #pin({ cid, attempts }: Placement): Finish['outcome'] {
    const { random, isToBeHad, sizeOf } = this.#parts
    if (!this.hasKubo) return { kind: 'released' }
    if (random.chance(0.002)) return { kind: 'failed', errorCode: 'kubo_error', error: 'as it happens' }
    if (random.chance(0.02) || !isToBeHad(cid))
      return { kind: 'retry', errorCode: 'stalled', error: 'no new block', delayMs: 5_000 }
    if (!this.disk.has(cid) && this.usedBytes + sizeOf(cid) > this.capacityBytes)
      return attempts > 1
        ? { kind: 'failed', errorCode: 'node_full', error: 'no room' }
        : { kind: 'retry', errorCode: 'node_full', error: 'no room', delayMs: 5_000 }
    this.store(cid)
    return { kind: 'pinned', blocks: 1, bytes: sizeOf(cid), foreignPin: false }
  }

  #unpin({ cid, generation }: Placement): Finish['outcome'] {
    if (!this.hasKubo) return { kind: 'released' }
    const { db, watch, sizeOf } = this.#parts
    if (this.#stage() !== 'done') return { kind: 'released' }
    if (db.rules.lastCopy && this.disk.has(cid) && db.isLastCopy(cid, this.id)) return { kind: 'kept' }
    if (db.placement(cid, this.id)?.generation === generation) watch.unpins(this.id, cid)
    if (this.disk.delete(cid)) this.usedBytes -= sizeOf(cid)
    return { kind: 'unpinned' }
  }

  /** Finds the work whose hints were lost. */
  #poll(): void {
    const { db, nodeDb } = this.#parts
    for (const cid of db.node(this.id).open) {
      if (this.#working.size >= slots) return
      const p = db.placement(cid, this.id)
      if (p !== undefined && nodeDb.isDue(p, this.#boot)) this.#attempt(p)
    }
  }

  /** An operator has decided about the restored database, so the reconciler runs soon. */
  decided(): void {
    const boot = this.#boot
    this.#parts.time.after(this.#parts.random.int(1, 3_000), () =>
      this.#whenAwake(boot, () => this.hasKubo && this.#reconcile()),
    )
  }

  /** The pins in its Kubo that the database does not want there. */
  strays(): string[] {
    const { cids } = this.#parts.db.node(this.id)
    return [...this.disk].filter((cid) => !cids.has(cid) && !this.#working.has(cid))
  }

  /**
   * Compares its Kubo with the database, in both directions; content is unwanted only when two rounds in a row find it so. After a restore
   * it does what the product's reconciler does at each stage.
   */
  #reconcile(): void {
    const { db, nodeDb } = this.#parts
    if (!db.nodes.has(this.id)) return
    const absent = [...db.node(this.id).cids].filter(
      (cid) => db.placement(cid, this.id)?.state === 'pinned' && !this.disk.has(cid),
    )
    const missing = absent.filter((cid) => !this.#working.has(cid))
    const strays = this.strays()
    const twice = strays.filter((cid) => this.#strays.has(cid))
    this.#strays = new Set(strays)
    const stage = this.#stage()
    if (stage === 'undecided') return this.#hold(missing.length)
    this.#undecidedSince = null
    this.#agreed = false
    if (missing.length > 0) nodeDb.requeueMissing(this.id, missing)
    if (stage === 'comparing' && absent.length === missing.length) db.node(this.id).uncompared = false
    if (twice.length > 0 && this.#stage() === 'done') nodeDb.dropUnwanted(this.id, twice)
  }

  /** It looks at the database, and so notices when that went back. */
  #stage(): RestoreStage {
    this.#parts.look()
    return this.#parts.db.stageOf(this.id)
  }

  /** Nobody has decided about a restore: it only looks, and follows by itself once two rounds have found nothing to decide. */
  #hold(missing: number): void {
    const { db, time } = this.#parts
    this.#undecidedSince ??= time.now
    const node = db.node(this.id)
    const unwanted = [...this.disk].filter((cid) => {
      const p = db.placement(cid, this.id)
      return p === undefined || (p.state === 'unpinning' && p.generation <= db.restoredGeneration)
    })
    const wasAgreed = this.#agreed
    this.#agreed = missing + unwanted.length === 0
    const isSure = wasAgreed && time.now - this.#undecidedSince >= 120_000
    const isEmpty = this.#isNew && this.disk.size === 0
    if (!this.#agreed || !(isSure || isEmpty)) return
    node.confirmedRestore = db.restoreId
    node.uncompared = false
  }

  #note(cid: string | null, text: string): void {
    this.#parts.note(cid, `${this.id.slice(-4)} ${text}`)
  }

  /** Its first look at Kubo, as soon as Kubo answers. */
  #reconcileFirst(boot: number): void {
    this.#whenAwake(boot, () => {
      if (this.hasKubo) this.#reconcile()
      else this.#parts.time.after(1_000, () => this.#reconcileFirst(boot))
    })
  }

  /** A node that is drained works on its queue for a while longer. */
  #takesOnlyUnpins(): boolean {
    const { time } = this.#parts
    if (this.view.stateOf(this.id) === 'active') {
      this.#drainsSince = null
      return false
    }
    this.#drainsSince ??= time.now
    return time.now - this.#drainsSince > drainGraceMs
  }

  /** Runs `work` once the node is not frozen and reaches Postgres, if it still is the same process. */
  #whenAwake(boot: number, work: () => void): void {
    if (!this.isUp || this.#boot !== boot) return
    if (this.#isAwake) work()
    else this.#parts.time.after(1_000, () => this.#whenAwake(boot, work))
  }

  get #isAwake(): boolean {
    return !this.isFrozen && this.hasPostgres
  }

  #every(boot: number, ms: number, work: () => void): void {
    const { time, random } = this.#parts
    const again = (): void => {
      if (!this.isUp || this.#boot !== boot) return
      if (this.#isAwake && this.#parts.db.nodes.has(this.id)) work()
      else if (this.#isAwake) this.kill()
      time.after(ms, again)
    }
    time.after(random.int(1, ms), again)
  }
}

import { strict as assert } from 'node:assert'
import { chooseNodes } from '../../src/core/choose-nodes.ts'
import { numberOf, type Epoch } from '../../src/core/epoch.ts'
import { isCode } from '../../src/core/errors.ts'
import { idOf, type NodeId } from '../../src/core/ids.ts'
import type { Heartbeat } from '../../src/cluster/heartbeat.ts'
import type { Node } from '../../src/core/node.ts'
import { planRebalance } from '../../src/core/plan-rebalance.ts'
import { planRepair } from '../../src/core/plan-repair.ts'
import type { Job } from '../../src/core/placement.ts'
import type { Repair } from '../../src/core/repair.ts'
import { Database, type Content, type Rules } from './database.ts'
import { LeaderDatabase } from './leader-database.ts'
import { GoingBack } from './going-back.ts'
import { startCandidate } from './leader.ts'
import { LeaseKey } from './lease-key.ts'
import { Machine } from './machine.ts'
import { NodeDatabase } from './node-database.ts'
import { PinDatabase } from './pin-database.ts'
import type { Process } from './process.ts'
import { Random } from '../../testing/random.ts'
import { VirtualTime } from './time.ts'
import type { History } from './history.ts'
import { Broken, Watch } from './watch.ts'

export interface WorldOptions {
  seed: number
  nodes: number
  /** Placements that are pinned at the start. */
  placements: number
  /** How long faults happen, and how often, in simulated ms. */
  faultsMs: number
  faultEveryMs: number
  /** How often a client makes a request. */
  clientEveryMs: number
  /** Whether the database may go back, which costs a copy of all rows now and then. */
  goesBack: boolean
  /** Rules of the store that are switched off, and a change to the leader's repairs, to check that the invariants notice it. */
  without?: Partial<Rules>
  bend?: (repair: Repair, nodes: readonly Node[]) => Repair
}

const policy = { minCopies: 1, downGraceMs: 60_000, highWater: 0.9 }
const kib = 2 ** 10
/** In a large cluster only some nodes contend, for the sake of speed. */
const candidatesMax = 6
const day = 86_400_000
const clockSteps = [-day, -30_000, 30_000, day]
const orgId = 'org-0'
/** The last sign of life that another node knows is this old at most. */
const unseenMs = 16_000

/** Since when the nodes did not work when a leader looked at them. */
interface Look {
  atMs: number
  since: ReadonlyMap<NodeId, number>
}

/**
 * A cluster on a clock that jumps, with clients and operators, in which everything goes wrong that can. The same seed gives the same
 * run.
 */
export class World {
  readonly time = new VirtualTime()
  /** How far the clock of the database is off. */
  #clockOffMs = 0
  /** When the last signs of life in the database became older at once: its clock was set forward, or it went back. */
  #olderAtMs = -Infinity
  readonly db = new Database(() => this.time.now + this.#clockOffMs)
  readonly pinDb = new PinDatabase(this.db)
  readonly nodeDb = new NodeDatabase(this.db)
  readonly leaderDb = new LeaderDatabase(this.db, this.nodeDb)
  readonly watch: Watch
  readonly #key: LeaseKey
  readonly faults = new Map<string, number>()
  readonly #options: WorldOptions
  readonly #random: Random
  #machines: Machine[] = []
  readonly #machineOf = new Map<NodeId, Machine>()
  readonly #suspects = new Set<string>()
  #leader: Machine | null = null
  /** The epochs before the present one. */
  readonly #epochs: Epoch[] = []
  #pins: string[] = []
  /** The contents of the pins that were deleted last. Clients often want one again. */
  readonly #deleted: string[] = []
  #names = 0
  #joined = 0
  #isFaulty = true
  #history: History | null = null
  readonly #goingBack: GoingBack

  constructor(options: WorldOptions) {
    this.#options = options
    this.#random = new Random(options.seed)
    this.#key = new LeaseKey(this.time, this.#random)
    const holds = (nodeId: NodeId, cid: string): boolean =>
      this.#machineOf.get(nodeId)?.disk.has(cid) === true
    this.watch = new Watch(this.db, {
      holds,
      isSuspect: (cid) => this.#suspects.has(cid),
      suspect: (cid) => void this.#suspects.add(cid),
      heldAnywhere: (cid) =>
        [...(this.db.contents.get(cid)?.placements.keys() ?? [])].some((id) => holds(id, cid)) ||
        this.#machines.some(({ disk }) => disk.has(cid)),
    })
    Object.assign(this.db.rules, options.without)
    this.db.onJob = (job) => this.#publish(job)
    this.#build()
    this.#goingBack = this.#newGoingBack()
  }

  /** Notes from now on all that happens. */
  record(history: History): void {
    this.#history = history
    const check = this.db.onCommit
    this.db.onCommit = (commit) => {
      history.committed(commit)
      check(commit)
    }
  }

  /** Runs with faults, then without faults until all work is done; throws at the first violated invariant. */
  async run(): Promise<void> {
    const { faultsMs, faultEveryMs, clientEveryMs } = this.#options
    this.#repeat(faultEveryMs, () => this.#fault())
    this.#repeat(clientEveryMs, () => this.#client())
    await this.#go(faultsMs)
    this.#heal()
    for (let waited = 0; waited < 60 && !this.#isQuiet(); waited++) {
      await this.#go(this.time.now + 120_000)
      // a machine with an old disk may have taken another's place meanwhile
      this.#goingBack.decideAll()
    }
    this.watch.checkSettled()
    this.#mustBeWhole()
    this.#checkAtRest()
  }

  /** The planner must find nothing to do for any content. Content that failed on every node waits for a node that has never tried it. */
  #checkAtRest(): void {
    const nodes = this.#machine(0).view.nodes()
    for (const content of this.db.contents.values()) {
      const repair = planRepair(this.db.copiesOf(content), nodes, policy)
      if (repair !== null && !(isEmpty(repair) && hasFailed(content)))
        this.watch.break(`${content.cid} is never at rest: ${JSON.stringify(repair)}`, content.cid)
    }
    this.#mustBeWhole()
  }

  #newGoingBack(): GoingBack {
    return new GoingBack({
      time: this.time,
      random: this.#random,
      db: this.db,
      leaderDb: this.leaderDb,
      watch: this.watch,
      machines: () => this.#machines,
      saves: () => this.#isFaulty && this.#options.goesBack,
      adopt: (cid, nodeId) => this.#accept(`pin-${this.#names++}`, cid, 1, [nodeId]),
      onBack: () => {
        this.#pins = [...this.db.pins.keys()]
        this.#olderAtMs = this.time.now
      },
    })
  }

  async #go(untilMs: number): Promise<void> {
    while (this.time.now < untilMs) {
      await this.time.runUntil(Math.min(this.time.now + 60_000, untilMs))
      this.watch.checkAll()
      this.#mustBeWhole()
    }
  }

  #mustBeWhole(): void {
    const { broken } = this.watch
    if (broken !== null) throw new Broken(`at ${this.time.now} ms: ${broken.message}`, broken.cid)
  }

  #build(): void {
    const { nodes, placements } = this.#options
    const each = placements / nodes
    for (let index = 0; index < nodes; index++) this.#join((each + 20) * 4 * sizeOf('') * 16)
    for (let count = 0; count < placements;) count += this.#standing()
    for (const machine of this.#machines) machine.start()
  }

  /** A new node joins. Returns it before its first start. */
  #join(capacityBytes: number): Machine {
    const index = this.#joined++
    const id = idOf('nod', `00000000-0000-7000-8000-${String(index).padStart(12, '0')}`)
    const zone = `zone-${index % 3}`
    this.db.addNode(id, zone)
    const machine = new Machine(id, zone, capacityBytes, {
      time: this.time,
      random: this.#random,
      db: this.db,
      nodeDb: this.nodeDb,
      watch: this.watch,
      isToBeHad: (cid) => this.#isToBeHad(cid),
      sizeOf,
      lastBeat: (nodeId) => this.#lastBeat(nodeId),
      look: () => this.#goingBack.notice(),
      onStart: (one, process) => this.#onStart(one, process),
      note: (cid, text) => this.#history?.note(cid, text),
    })
    this.#machines.push(machine)
    this.#machineOf.set(id, machine)
    return machine
  }

  #lastBeat(nodeId: NodeId): { heartbeat: Heartbeat; atMs: number } | null {
    const machine = this.#machineOf.get(nodeId)
    return machine === undefined
      ? null
      : { heartbeat: machine.beat(), atMs: machine.silentSince ?? this.time.now }
  }

  /** Adds a pin whose content is pinned already, on nodes that no planner chose. Returns the number of its copies. */
  #standing(): number {
    const { nodes } = this.#options
    const replicas = Math.min(this.#random.int(1, 3), nodes)
    const first = this.#random.int(0, nodes - 1)
    const chosen = Array.from({ length: replicas }, (_, i) => this.#machine((first + i) % nodes))
    const [id, cid] = [`pin-${this.#names}`, `cid-${this.#names++}`]
    this.#accept(
      id,
      cid,
      replicas,
      chosen.map((machine) => machine.id),
    )
    for (const machine of chosen) {
      const { generation } = this.db.placement(cid, machine.id) ?? assert.fail('just placed')
      this.nodeDb.claim(machine.id, 0, [{ cid, generation }], 1)
      machine.store(cid)
      const outcome = { kind: 'pinned', blocks: 1, bytes: sizeOf(cid), foreignPin: false } as const
      this.nodeDb.finish(machine.id, 0, [{ cid, generation, outcome }])
    }
    return replicas
  }

  #accept(id: string, cid: string, replicas: number, nodes: NodeId[]): void {
    this.watch.accepted(id, cid)
    this.pinDb.accept([{ id, orgId, cid, replicas, nodes }])
    this.#pins.push(id)
  }

  /** Whether the content is available: on a node that is up, or from its owner's own node, which fails half of the time during faults. */
  #isToBeHad(cid: string): boolean {
    const near = [...(this.db.contents.get(cid)?.placements.keys() ?? [])].some((id) => {
      const machine = this.#machineOf.get(id)
      return machine?.isUp === true && !machine.isFrozen && machine.hasKubo && machine.disk.has(cid)
    })
    return near || !this.#isFaulty || this.#random.chance(0.5)
  }

  #client(): void {
    const random = this.#random
    const nodes = this.#someView()
    if (nodes === null) return
    if (random.chance(0.4) && this.#pins.length > 0) {
      const at = random.int(0, this.#pins.length - 1)
      const id = this.#pins[at] ?? assert.fail()
      this.#pins[at] = this.#pins.at(-1) ?? id
      this.#pins.pop()
      this.watch.removed(id)
      this.#deleted.push(this.db.pins.get(id)?.cid ?? assert.fail('no such pin'))
      if (this.#deleted.length > 5) this.#deleted.shift()
      if (random.chance(0.7)) this.pinDb.remove(id)
      else this.#replace(id, nodes)
      return
    }
    const old =
      this.#pins.length === 0 || random.chance(0.7) ? undefined : this.db.pins.get(random.pick(this.#pins))
    const again = this.#deleted.length > 0 && random.chance(0.3) ? random.pick(this.#deleted) : null
    const cid = old?.cid ?? again ?? `cid-${this.#names++}`
    const id = `pin-${this.#names++}`
    const replicas = random.int(1, 3)
    const chosen = chooseNodes(cid, nodes, replicas, policy)
    this.#accept(id, cid, replicas, chosen)
    // a lost answer: the client sends the same pin again
    if (random.chance(0.1)) {
      this.time.after(random.int(1, 2_000), () => {
        if (this.db.pins.has(id)) this.pinDb.accept([{ id, orgId, cid, replicas, nodes: chosen }])
      })
    }
  }

  /** The nodes as the node sees them that a client asks; null when no node answers. */
  #someView(): readonly Node[] | null {
    const up = this.#machines.filter((machine) => machine.isUp && !machine.isFrozen && machine.hasPostgres)
    return up.length === 0 ? null : this.#random.pick(up).view.nodes()
  }

  #replace(old: string, nodes: readonly Node[]): void {
    const [id, replicas] = [`pin-${this.#names++}`, this.#random.int(1, 3)]
    const { cid: same, holds } = this.db.pins.get(old) ?? assert.fail('no such pin')
    const cid = this.#random.chance(0.3) ? this.#random.pick([same, ...holds]) : `cid-${this.#names++}`
    this.watch.accepted(id, cid)
    this.pinDb.replace(old, { id, orgId, cid, replicas, nodes: chooseNodes(cid, nodes, replicas, policy) })
    this.#pins.push(id)
  }

  /** Delivers a hint, which may be lost, late or doubled. */
  #publish(job: Job): void {
    const random = this.#random
    const copies = !this.#isFaulty || random.chance(0.7) ? 1 : random.int(0, 2)
    for (let copy = 0; copy < copies; copy++) {
      const lateMs = this.#isFaulty && random.chance(0.1) ? random.int(0, 120_000) : random.int(0, 50)
      this.time.after(lateMs, () => this.#machineOf.get(job.nodeId)?.hear(job))
    }
  }

  /** A few nodes contend for leadership. */
  #onStart(machine: Machine, process: Process): void {
    if (this.#machines.indexOf(machine) >= candidatesMax) return
    let look = this.#absences()
    startCandidate(machine.id, process, {
      key: this.#key,
      random: this.#random,
      tables: this.db,
      db: this.leaderDb,
      pinDb: this.pinDb,
      policy,
      nodes: () => machine.view.nodes(),
      onLook: () => (look = this.#absences()),
      onDown: (nodeId) => this.#checkGrace(nodeId, look),
      onBack: (nodeId) => this.#machineOf.get(nodeId)?.absence.noted(),
      listenedMs: () => machine.view.listenedMs(),
      listenAgain: () => machine.view.listenAgain(),
      reachesPostgres: () => machine.hasPostgres,
      isFaulty: () => this.#isFaulty,
      bend: this.#options.bend ?? ((repair) => repair),
      publish: (job) => this.#publish(job),
      onLead: (epoch, nodeId) => {
        this.#leader = machine
        this.#epochs.push(epoch)
        this.#history?.note(null, `epoch ${numberOf(epoch)} begins on ${nodeId.slice(-4)}`)
      },
      onError: (error) => this.watch.break(`a leader's worker fails: ${error.stack}`, null),
    })
  }

  #absences(): Look {
    return {
      atMs: this.time.now,
      since: new Map(this.#machines.map(({ id, absence }) => [id, absence.sinceMs()])),
    }
  }

  /** A node counts as down only after it has not worked for the whole grace, as of the leader's look at the nodes. */
  #checkGrace(nodeId: NodeId, { atMs, since }: Look): void {
    const sinceMs = since.get(nodeId) ?? -Infinity
    // silence is measured by the database's clock, and a step looks like silence until the next sign of life
    if (sinceMs <= this.#olderAtMs + unseenMs || atMs - sinceMs >= policy.downGraceMs - unseenMs) return
    this.watch.break(`grace: ${nodeId} counts as down after ${atMs - sinceMs} ms`, null)
  }

  #fault(): void {
    const random = this.#random
    const kinds: [string, number, () => void][] = [
      ['a node dies and comes back', 6, () => this.#outage(random.int(3_000, 400_000))],
      [
        'a node dies and comes back with a new disk',
        1,
        () => this.#outage(random.int(20_000, 400_000), true),
      ],
      ['a node freezes', 4, () => this.#freeze()],
      ['a node flaps', 2, () => this.#flap(5)],
      ['a node is drained', 3, () => this.#drain()],
      ['a node is uncordoned', 2, () => this.#uncordon()],
      ['a node fills up', 2, () => this.#fill()],
      ['a node hears no heartbeats', 2, () => this.#deafen()],
      ['a Kubo dies, and its node lives', 2, () => this.#loseKubo()],
      ['a node is cut off from Postgres', 2, () => this.#cutOff()],
      ['a node is gone and is forgotten', 2, () => this.#forget()],
      ['the whole site is off, and its nodes start one by one', 1, () => this.#siteOff()],
      ['another leader comes while the old one continues', 3, () => this.#key.lose()],
      ['the epoch goes back', 1, () => this.#goBack()],
      ['the database goes back', this.#options.goesBack ? 2 : 0, () => this.#goingBack.goBack()],
      ['NATS is away', 2, () => (this.#key.awayUntilMs = this.time.now + random.int(2_000, 60_000))],
      ["a machine's clock steps", 2, () => random.pick(this.#machines).stepClock(random.pick(clockSteps))],
      ["the database's clock steps", 2, () => this.#stepClock(random.pick(clockSteps))],
      ['the leader dies', 2, () => this.#killLeader()],
      ['maintenance', 1, () => this.#maintain()],
      ['a rebalance', 2, () => void this.#rebalance()],
    ]
    const sum = kinds.reduce((total, [, weight]) => total + weight, 0)
    let at = random.int(1, sum)
    for (const [name, weight, work] of kinds) {
      at -= weight
      if (at > 0) continue
      this.faults.set(name, (this.faults.get(name) ?? 0) + 1)
      this.#history?.note(null, name)
      work()
      return
    }
  }

  #outage(ms: number, losesDisk = false): void {
    const machine = this.#upMachine()
    if (machine === undefined) return
    machine.kill()
    if (losesDisk) {
      for (const cid of machine.disk) this.#suspects.add(cid)
      machine.loseDisk()
    }
    this.time.after(ms, () => machine.isUp || machine.start())
  }

  #deafen(): void {
    const machine = this.#upMachine()
    if (machine !== undefined) machine.view.deafUntilMs = this.time.now + this.#random.int(5_000, 100_000)
  }

  #loseKubo(): void {
    const machine = this.#upMachine()
    if (machine === undefined) return
    machine.hasKubo = false
    this.time.after(this.#random.int(5_000, 200_000), () => (machine.hasKubo = true))
  }

  #cutOff(): void {
    const machine = this.#upMachine()
    if (machine === undefined) return
    machine.cutOff()
    this.time.after(this.#random.int(5_000, 200_000), () => machine.reconnect())
  }

  /** A node dies and does not come back. An operator forgets it as soon as that is allowed, and a node with another row takes its place. */
  #forget(): void {
    const machine = this.#upMachine()
    if (machine === undefined) return
    machine.kill()
    const again = (): void => {
      if (machine.isUp) return
      if (!this.#isFaulty) return machine.start()
      if (this.#tryForget(machine))
        this.time.after(this.#random.int(1, 60_000), () => this.#takePlaceOf(machine))
      else this.time.after(this.#random.int(5_000, 40_000), again)
    }
    this.time.after(this.#random.int(16_000, 120_000), again)
  }

  #tryForget(machine: Machine): boolean {
    const acceptLoss = this.#random.chance(0.2)
    try {
      // the operator looks before, and so takes no node out of service for nothing
      const lost = this.leaderDb.soleContents(machine.id)
      if (lost.length > 0 && !acceptLoss) return false
      for (const cid of lost) this.#suspects.add(cid)
      this.leaderDb.forget(machine.id, acceptLoss)
      this.#machines = this.#machines.filter((one) => one !== machine)
      this.#machineOf.delete(machine.id)
      return true
    } catch (error) {
      assert.ok(isCode(error, 'conflict'), error instanceof Error ? error.stack : '')
      return false
    }
  }

  /** The machine came back after all, with its disk, or it is a new one. */
  #takePlaceOf({ capacityBytes, disk }: Machine): void {
    const machine = this.#join(capacityBytes)
    if (this.#random.chance(0.5)) for (const cid of disk) machine.store(cid)
    machine.start()
  }

  /** For longer or shorter than the grace, after which a node counts as down. */
  #siteOff(): void {
    const up = this.#machines.filter((machine) => machine.isUp)
    const ms = this.#random.int(10_000, 200_000)
    for (const machine of up) {
      machine.kill()
      this.time.after(ms + this.#random.int(0, 90_000), () => machine.isUp || machine.start())
    }
  }

  #freeze(): void {
    const machine = this.#upMachine()
    machine?.freeze()
    this.time.after(this.#random.int(1_000, 200_000), () => machine?.thaw())
  }

  #flap(times: number): void {
    const machine = this.#upMachine()
    const isCutOff = this.#random.chance(0.5)
    const again = (left: number): void => {
      if (left === 0 || !this.#isFaulty || machine?.isUp !== true) return
      if (isCutOff) machine.cutOff()
      else machine.freeze()
      this.time.after(this.#random.int(5_000, 70_000), () => {
        if (isCutOff) machine.reconnect()
        else machine.thaw()
        this.time.after(this.#random.int(1_000, 30_000), () => again(left - 1))
      })
    }
    again(times)
  }

  /** Leaves enough active nodes for the copies. */
  #drain(): void {
    const active = this.#machines.filter(({ id }) => this.db.node(id).state === 'active')
    if (active.length > Math.max(4, this.#machines.length / 2))
      this.leaderDb.drain(this.#random.pick(active).id)
  }

  #uncordon(): void {
    const closed = this.#machines.filter(({ id }) => this.db.node(id).state !== 'active')
    if (closed.length > 0) this.leaderDb.uncordon(this.#random.pick(closed).id)
  }

  #fill(): void {
    const machine = this.#random.pick(this.#machines)
    const was = machine.capacityBytes
    machine.capacityBytes = machine.usedBytes + this.#random.int(0, 20 * kib)
    this.time.after(
      this.#random.int(60_000, 300_000),
      () => (machine.capacityBytes = Math.max(was, machine.capacityBytes)),
    )
  }

  #killLeader(): void {
    const machine = this.#leader
    if (machine?.isUp !== true) return
    machine.kill()
    this.time.after(this.#random.int(3_000, 20_000), () => machine.isUp || machine.start())
  }

  /** A failover lost the last elections. */
  #goBack(): void {
    if (this.#epochs.length > 0) this.db.epoch = this.#random.pick(this.#epochs.slice(-3))
  }

  /** The rows of the database keep their times. */
  #stepClock(ms: number): void {
    this.#clockOffMs += ms
    if (ms > 0) this.#olderAtMs = this.time.now
  }

  #maintain(): void {
    this.db.maintenance = true
    this.time.after(this.#random.int(30_000, 200_000), () => (this.db.maintenance = false))
  }

  async #rebalance(): Promise<void> {
    const nodes = this.#someView()
    if (nodes === null || (this.leaderDb.plan !== null && !this.leaderDb.plan.isApplied)) return
    const { pages } = planRebalance({
      nodes,
      usage: this.leaderDb.usage(),
      movable: async (nodeId, afterCid, limit) => {
        await this.time.sleep(1)
        return this.leaderDb.movable(nodeId, afterCid, limit)
      },
      policy: { highWater: policy.highWater, tolerance: 0.05 },
      signal: new AbortController().signal,
    })
    const moves = (await Array.fromAsync(pages)).flat().slice(0, 2_000)
    this.leaderDb.plan = { moves: moves.map((move) => ({ ...move, state: 'planned' })), isApplied: false }
  }

  #upMachine(): Machine | undefined {
    const up = this.#machines.filter((machine) => machine.isUp && !machine.isFrozen)
    return up.length > Math.max(3, this.#machines.length / 2) ? this.#random.pick(up) : undefined
  }

  #machine(index: number): Machine {
    return this.#machines[index] ?? assert.fail('no such machine')
  }

  /** Ends all faults: dead nodes start again, full ones get room, and one leader leads. */
  #heal(): void {
    this.#isFaulty = false
    this.db.maintenance = false
    for (const machine of this.#machines) {
      machine.capacityBytes *= 4
      machine.hasKubo = true
      machine.reconnect()
      machine.view.deafUntilMs = 0
      if (machine.isUp) machine.thaw()
      else machine.start()
    }
    this.#key.awayUntilMs = 0
    this.#goingBack.decideAll()
  }

  #isQuiet(): boolean {
    const { busy, nodes, contents, holding } = this.db
    const releasing = [...this.db.releasing].filter((cid) => !this.db.isKeptForLong(this.db.content(cid)))
    const unsettled = [...this.db.unsettled].filter((cid) => !hasFailed(this.db.content(cid)))
    const moves = this.leaderDb.movesUnderWay().some((cid) => {
      const content = contents.get(cid)
      return content === undefined || !this.db.isKeptForLong(content)
    })
    const walks = [...nodes.values()].some(
      (node) => !this.db.isHeldUp(node) && (node.walkAfter !== null || node.state === 'draining'),
    )
    const unpins = [...contents.values()].some((content) =>
      [...content.placements.values()].some(({ state }) => state === 'unpinning'),
    )
    const holds = [...holding].some(({ status }) => status === 'pinned')
    const isDone = unsettled.length + busy.size + releasing.length === 0 && this.#goingBack.isOver
    return isDone && !walks && !moves && !unpins && !holds
  }

  #repeat(ms: number, work: () => void): void {
    const again = (): void => {
      if (!this.#isFaulty) return
      work()
      this.time.after(this.#random.int(1, 2 * ms), again)
    }
    this.time.after(this.#random.int(1, 2 * ms), again)
  }
}

function hasFailed({ placements }: Content): boolean {
  return placements.size > 0 && [...placements.values()].every(({ state }) => state === 'failed')
}

function isEmpty({ add, drop, lose, find }: Repair): boolean {
  return [add, drop, lose, find].every((list) => list.length === 0)
}

/** From 1 to 16 KiB, derived from its name. */
function sizeOf(cid: string): number {
  return kib * (1 + ((Number(cid.slice(4)) * 7919) % 16))
}

import { strict as assert } from 'node:assert'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { mintId, type NodeId } from '../src/core/ids.ts'
import type { Node } from '../src/core/node.ts'
import { chooseNodes } from '../src/core/choose-nodes.ts'
import { planRebalance, type Movable } from '../src/core/plan-rebalance.ts'
import { planRepair } from '../src/core/plan-repair.ts'
import type { ContentCopies } from '../src/core/repair.ts'

export interface PlanResult {
  nodes: number
  placements: number
  moves: number
  seconds: number
  /** The largest heap that the planner held; `heldMiBOfHalf` is the same for half of the placements. */
  heldMiB: number
  heldMiBOfHalf: number
  /** Bytes moved, divided by the least that any plan must move. */
  movedByLeast: number
  /** How far the worst node is from its fair share at the end, as a part of that share. */
  worstAfter: number
  /** Microseconds for one content with three copies among all nodes. */
  chooseUs: number
  repairUs: number
  settledUs: number
}

const nodes = 1_000
const copies = 3
const tolerance = 0.05
const gib = 2 ** 30

/** Measures a plan that evens out 1,000 nodes, of which one in ten is new and empty. The data is generated; there is no database. */
export async function benchPlan(placements: number, say: (line: string) => void): Promise<PlanResult> {
  say(`planning for ${nodes} nodes and ${placements / 2} placements, then for ${placements}`)
  const half = await timedPlan(new BenchCluster(placements / 2))
  const whole = await timedPlan(new BenchCluster(placements))
  return {
    nodes,
    placements,
    moves: whole.moves,
    seconds: whole.seconds,
    heldMiB: whole.heldMiB,
    heldMiBOfHalf: half.heldMiB,
    movedByLeast: whole.movedByLeast,
    worstAfter: whole.worstAfter,
    ...perContent(),
  }
}

async function timedPlan(cluster: BenchCluster) {
  const least = leastBytes(cluster)
  const before = heldBytes()
  let [moves, moved, pages, held, askedMs] = [0, 0, 0, 0, 0]
  const movable = (id: NodeId, afterCid: string, limit: number): Promise<Movable[]> => {
    const asked = performance.now()
    if (++pages % 500 === 0) held = Math.max(held, heldBytes() - before)
    askedMs += performance.now() - asked
    return Promise.resolve(cluster.movable(id, afterCid, limit))
  }
  const started = performance.now()
  const plan = planRebalance({
    nodes: cluster.nodes,
    usage: cluster.nodes.map(({ id }, index) => ({ nodeId: id, bytes: cluster.used[index] ?? 0 })),
    movable,
    policy: { highWater: 0.9, tolerance },
    signal: new AbortController().signal,
  })
  for await (const page of plan.pages) {
    for (const move of page) {
      cluster.move(move.from, move.to, move.bytes)
      moves++
      moved += move.bytes
    }
  }
  const seconds = (performance.now() - started - askedMs) / 1_000
  const worstAfter = Math.max(...cluster.used.map((used) => Math.abs(used / cluster.fairBytes - 1)))
  return { moves, seconds, heldMiB: held / 2 ** 20, movedByLeast: moved / least, worstAfter }
}

/** The used heap after a garbage collection. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}

/** The least that must leave nodes above the tolerance, or reach nodes below it. */
function leastBytes({ used, fairBytes }: BenchCluster): number {
  let [over, under] = [0, 0]
  for (const bytes of used) {
    over += Math.max(bytes - (1 + tolerance) * fairBytes, 0)
    under += Math.max((1 - tolerance) * fairBytes - bytes, 0)
  }
  return Math.max(over, under)
}

/** Contents of 4 KiB to 1 GiB, small ones as common as large ones, on three nodes each that are not new. They are kept outside the heap. */
class BenchCluster {
  readonly nodes = clusterOf(nodes)
  readonly used = new Float64Array(nodes)
  readonly fairBytes: number
  readonly #bytes: Float64Array
  readonly #holders: Uint16Array
  /** The contents of each node, in order. The contents of a node begin where those of the node before it end. */
  readonly #contents: Uint32Array
  readonly #ends = new Uint32Array(nodes)
  readonly #indexOf = new Map(this.nodes.map(({ id }, index) => [id, index]))

  constructor(placements: number) {
    const contents = Math.floor(placements / copies)
    const random = randomFrom(7)
    this.#bytes = new Float64Array(contents)
    this.#holders = new Uint16Array(contents * copies)
    for (let content = 0; content < contents; content++) {
      this.#bytes[content] = Math.floor(2 ** (12 + 18 * random()))
      const first = Math.floor(random() * nodes * 0.9)
      for (let copy = 0; copy < copies; copy++) {
        const holder = (first + copy * 300) % (nodes * 0.9)
        this.#holders[content * copies + copy] = holder
        this.used[holder] = (this.used[holder] ?? 0) + (this.#bytes[content] ?? 0)
      }
    }
    this.fairBytes = this.used.reduce((sum, bytes) => sum + bytes, 0) / nodes
    this.#contents = this.#byNode()
  }

  movable(id: NodeId, afterCid: string, limit: number): Movable[] {
    const node = this.#indexOf.get(id) ?? assert.fail('no such node')
    const end = this.#ends[node] ?? 0
    let at = node === 0 ? 0 : (this.#ends[node - 1] ?? 0)
    const after = afterCid === '' ? -1 : Number(afterCid.slice(-7))
    // a page is found by its key, as in the database
    for (let high = end; at < high;) {
      const middle = (at + high) >> 1
      if ((this.#contents[middle] ?? 0) <= after) at = middle + 1
      else high = middle
    }
    return Array.from(this.#contents.subarray(at, Math.min(at + limit, end)), (content) => ({
      cid: cidOf(content),
      bytes: this.#bytes[content] ?? 0,
      holders: Array.from(
        this.#holders.subarray(content * copies, (content + 1) * copies),
        (holder) => this.nodes[holder]?.id ?? assert.fail('no such node'),
      ),
    }))
  }

  move(from: NodeId, to: NodeId, bytes: number): void {
    for (const [id, sign] of [
      [from, -1],
      [to, 1],
    ] as const) {
      const node = this.#indexOf.get(id) ?? assert.fail('no such node')
      this.used[node] = (this.used[node] ?? 0) + sign * bytes
    }
  }

  #byNode(): Uint32Array {
    for (const holder of this.#holders) this.#ends[holder] = (this.#ends[holder] ?? 0) + 1
    let sum = 0
    for (const [node, count] of this.#ends.entries()) {
      this.#ends[node] = sum
      sum += count
    }
    const sorted = new Uint32Array(this.#holders.length)
    for (const [place, holder] of this.#holders.entries()) {
      const at = this.#ends[holder] ?? 0
      sorted[at] = Math.floor(place / copies)
      this.#ends[holder] = at + 1
    }
    return sorted
  }
}

function perContent(): Pick<PlanResult, 'chooseUs' | 'repairUs' | 'settledUs'> {
  const there = clusterOf(nodes)
  const policy = { minCopies: 1, downGraceMs: 300_000, highWater: 0.9 }
  const [first, ...rest] = there
  const drained = [{ ...(first ?? assert.fail()), state: 'draining' as const }, ...rest]
  const content = (index: number): ContentCopies => ({
    cid: cidOf(index),
    wanted: copies,
    dagSize: 1_000,
    copies: [0, 300, 600].map((place) => ({
      nodeId: there[place]?.id ?? assert.fail(),
      generation: 1,
      state: 'pinned',
      errorCode: null,
      lost: false,
      leaving: false,
    })),
  })
  return {
    chooseUs: microseconds((index) => chooseNodes(cidOf(index), there, copies)),
    repairUs: microseconds((index) => assert.ok(planRepair(content(index), drained, policy))),
    settledUs: microseconds((index) => assert.equal(planRepair(content(index), there, policy), null)),
  }
}

function microseconds(work: (index: number) => void): number {
  const rounds = 1_000
  for (let index = 0; index < rounds / 10; index++) work(index)
  const started = performance.now()
  for (let index = 0; index < rounds; index++) work(index)
  return (1_000 * (performance.now() - started)) / rounds
}

function clusterOf(count: number): Node[] {
  return Array.from({ length: count }, (_, index) => ({
    id: mintId('nod'),
    name: `node-${index}`,
    zone: `zone-${Math.floor(index / 300)}`,
    multiaddrs: [],
    capacityBytes: 4_096 * gib,
    usedBytes: 0,
    state: 'active',
    live: true,
    silentMs: 0,
    unable: null,
    down: false,
  }))
}

function cidOf(content: number): string {
  return `bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa${String(content).padStart(7, '0')}`
}

/** The Mulberry32 generator: it returns the same numbers in every run. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

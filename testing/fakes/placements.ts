import { AnchorageError } from '../../src/core/errors.ts'
import type { NodeId, OrgId } from '../../src/core/ids.ts'
import type { NodeIdentity } from '../../src/core/node.ts'
import type { WokenPlacement } from '../../src/core/pin.ts'
import type {
  Claim,
  DuePlacement,
  Finish,
  Job,
  OfferedOrigins,
  PlacementState,
} from '../../src/core/placement.ts'
import type { PlacementStore, SteadyClock } from '../../src/core/ports.ts'

/** One placement as the real store keeps it. */
export interface FakeRow {
  cid: string
  orgId: OrgId
  generation: number
  state: PlacementState
  attempts: number
  wantedAtMs: number
  nextAttemptAtMs: number
  claimedUntilMs: number | null
  claimedBy: number | null
  claimedGeneration: number | null
  verify: boolean
  origins: OfferedOrigins[]
  holders: string[]
  errorCode: string | null
  error: string | null
  blocks: number
}

/** Claims, generations and outcomes in memory, by the rules that the store's SQL keeps; for tests of the workers alone. */
export class FakePlacements implements PlacementStore {
  readonly rows = new Map<string, FakeRow>()
  readonly finished: Finish[] = []
  /** Contents that pins want and that no other node has. */
  readonly last = new Set<string>()
  readonly calls = { claim: 0, extend: 0, finish: 0, due: 0, dueUnpins: 0, origins: 0 }
  /** True while Postgres is down. */
  down = false
  /** How long each call takes. */
  latencyMs = 0
  /** For this many finishes, the commit succeeds but its answer is lost. */
  loseFinishAnswers = 0
  /** True for a finish that Postgres never accepts. */
  refuseFinish: (finish: Finish) => boolean = () => false
  readonly #clock: SteadyClock
  readonly #nodeId: NodeId
  #generation = 0

  constructor(clock: SteadyClock, nodeId: NodeId) {
    this.#clock = clock
    this.#nodeId = nodeId
  }

  row(cid: string): FakeRow {
    const row = this.rows.get(cid)
    if (row === undefined) throw new Error(`no placement of ${cid}`)
    return row
  }

  countIn(...states: PlacementState[]): number {
    let count = 0
    for (const row of this.rows.values()) if (states.includes(row.state)) count++
    return count
  }

  /** Acts as an accept: makes a new placement, wants one again, or wakes one. */
  want(cid: string, orgId: OrgId, offered: { origins?: string[]; holders?: string[] } = {}): Job {
    const nowMs = this.#nowMs()
    let row = this.rows.get(cid)
    if (row === undefined || row.state === 'unpinning' || row.state === 'failed') {
      row = {
        ...(row ?? blank(cid, orgId)),
        state: 'queued',
        generation: ++this.#generation,
        attempts: 0,
        verify: row !== undefined,
      }
      this.rows.set(cid, row)
    }
    row.wantedAtMs = nowMs
    row.nextAttemptAtMs = nowMs
    if (offered.origins !== undefined) row.origins = offering(row.origins, orgId, offered.origins)
    row.holders.push(...(offered.holders ?? []))
    return this.#job(row)
  }

  /** Acts as the removal of the last pin of `cid`. */
  unwant(cid: string): Job {
    const row = this.row(cid)
    row.state = 'unpinning'
    row.generation = ++this.#generation
    row.nextAttemptAtMs = this.#nowMs()
    return { ...this.#job(row), orgId: null }
  }

  /** Acts as the sweep does on a claim that ran out. */
  expire(cid: string): void {
    Object.assign(this.row(cid), { state: 'queued', claimedUntilMs: null, verify: true })
  }

  async claim(
    node: NodeIdentity,
    jobs: Pick<Job, 'cid' | 'generation'>[],
    claimMs: number,
  ): Promise<Claim[]> {
    this.calls.claim++
    await this.#reach()
    const nowMs = this.#nowMs()
    const claims: Claim[] = []
    for (const { cid, generation } of jobs) {
      const row = this.rows.get(cid)
      if (row === undefined || row.generation !== generation || !this.#isDue(row, node)) continue
      const work = row.state === 'unpinning' ? 'unpin' : 'pin'
      row.verify ||= row.claimedUntilMs !== null
      if (work === 'pin') {
        row.state = 'pinning'
        row.attempts++
      }
      row.claimedUntilMs = nowMs + claimMs
      row.claimedBy = node.incarnation
      row.claimedGeneration = generation
      claims.push({
        cid,
        generation,
        work,
        attempt: row.attempts,
        origins: row.origins,
        holders: [...row.holders],
        verify: row.verify,
        ageMs: nowMs - row.wantedAtMs,
        foreignPin: false,
      })
    }
    return claims
  }

  async extend(
    node: NodeIdentity,
    under: { cid: string; generation: number; blocks: number }[],
    claimMs: number,
  ): Promise<string[]> {
    this.calls.extend++
    await this.#reach()
    const changed: string[] = []
    for (const { cid, generation, blocks } of under) {
      const row = this.rows.get(cid)
      if (
        row?.claimedBy === node.incarnation &&
        row.claimedGeneration === generation &&
        row.generation === generation
      ) {
        row.claimedUntilMs = this.#nowMs() + claimMs
        row.blocks = blocks
        if (row.state === 'queued') row.state = 'pinning'
      } else changed.push(cid)
    }
    return changed
  }

  async finish(node: NodeIdentity, finishes: Finish[]): Promise<WokenPlacement[]> {
    this.calls.finish++
    await this.#reach()
    if (finishes.some(this.refuseFinish)) throw new AnchorageError('internal', 'refused')
    const woken = finishes.flatMap((finish) => this.#finishOne(node, finish))
    if (this.loseFinishAnswers > 0) {
      this.loseFinishAnswers--
      throw new AnchorageError('unavailable', 'the connection broke')
    }
    return woken
  }

  async due(node: NodeIdentity, perOrg: number, limit: number): Promise<DuePlacement[]> {
    this.calls.due++
    await this.#reach()
    const taken = new Map<OrgId, number>()
    const due: DuePlacement[] = []
    for (const row of this.rows.values()) {
      if (due.length >= limit) break
      const ofOrg = taken.get(row.orgId) ?? 0
      if (ofOrg >= perOrg || !this.#isDue(row, node)) continue
      taken.set(row.orgId, ofOrg + 1)
      if (row.state === 'unpinning') due.push({ ...this.#job(row), orgId: null, state: 'unpinning' })
      else due.push({ ...this.#job(row), state: 'queued' })
    }
    return due
  }

  async dueUnpins(node: NodeIdentity, limit: number): Promise<DuePlacement[]> {
    this.calls.dueUnpins++
    await this.#reach()
    const due: DuePlacement[] = []
    for (const row of this.rows.values()) {
      if (due.length >= limit) break
      if (row.state !== 'unpinning' || !this.#isDue(row, node)) continue
      due.push({ ...this.#job(row), orgId: null, state: 'unpinning' })
    }
    return due
  }

  async origins(cid: string): Promise<OfferedOrigins[]> {
    this.calls.origins++
    await this.#reach()
    return this.rows.get(cid)?.origins ?? []
  }

  async lastCopies(_node: NodeIdentity, cids: string[]): Promise<string[]> {
    await this.#reach()
    return cids.filter((cid) => this.last.has(cid))
  }

  #finishOne(node: NodeIdentity, finish: Finish): WokenPlacement[] {
    const { cid, generation, outcome } = finish
    const row = this.rows.get(cid)
    if (row === undefined || row.claimedBy !== node.incarnation || row.claimedGeneration !== generation)
      return []
    this.finished.push(finish)
    row.claimedUntilMs = row.claimedBy = row.claimedGeneration = null
    if (row.generation !== generation) {
      row.verify = true
      return row.state === 'queued' || row.state === 'unpinning'
        ? [{ ...this.#job(row), orgId: row.orgId }]
        : []
    }
    const nowMs = this.#nowMs()
    if (outcome.kind === 'kept') {
      Object.assign(row, { state: 'pinned', generation: ++this.#generation })
      return []
    }
    if (outcome.kind === 'unpinned') this.rows.delete(cid)
    else if (outcome.kind === 'pinned' || outcome.kind === 'failed') row.state = outcome.kind
    else if (row.state === 'pinning') row.state = 'queued'
    if (outcome.kind === 'retry') row.nextAttemptAtMs = nowMs + outcome.delayMs
    if (outcome.kind === 'released') {
      row.attempts -= row.state === 'queued' ? 1 : 0
      row.verify = true
      row.nextAttemptAtMs = nowMs
    }
    if (outcome.kind === 'retry' || outcome.kind === 'failed') {
      row.errorCode = outcome.errorCode
      row.error = outcome.error
    }
    return []
  }

  /** The clock of the database, which has nothing to do with the machine's date. */
  #nowMs(): number {
    return 1_700_000_000_000 + this.#clock.steadyMs()
  }

  #isDue(row: FakeRow, node: NodeIdentity): boolean {
    const nowMs = this.#nowMs()
    if (row.state !== 'queued' && row.state !== 'unpinning') return false
    if (row.nextAttemptAtMs > nowMs) return false
    return row.claimedUntilMs === null || row.claimedUntilMs < nowMs || row.claimedBy !== node.incarnation
  }

  #job(row: FakeRow): WokenPlacement {
    const { cid, orgId, generation, attempts } = row
    return { cid, orgId, generation, attempt: attempts + 1, nodeId: this.#nodeId }
  }

  async #reach(): Promise<void> {
    if (this.latencyMs > 0) await this.#clock.sleep(this.latencyMs, new AbortController().signal)
    if (this.down) throw new AnchorageError('unavailable', 'Postgres is away')
  }
}

/** Like the store's `content_origins`: each org's newest origins first, at most 20 of them. */
function offering(offers: OfferedOrigins[], orgId: OrgId, origins: string[]): OfferedOrigins[] {
  const before = offers.find((offer) => offer.orgId === orgId)?.origins ?? []
  const all = [...new Set([...origins, ...before])].slice(0, 20)
  if (before.length === 0) return [...offers, { orgId, origins: all }]
  return offers.map((offer) => (offer.orgId === orgId ? { orgId, origins: all } : offer))
}

function blank(cid: string, orgId: OrgId): FakeRow {
  return {
    cid,
    orgId,
    generation: 0,
    state: 'queued',
    attempts: 0,
    wantedAtMs: 0,
    nextAttemptAtMs: 0,
    claimedUntilMs: null,
    claimedBy: null,
    claimedGeneration: null,
    verify: false,
    origins: [],
    holders: [],
    errorCode: null,
    error: null,
    blocks: 0,
  }
}

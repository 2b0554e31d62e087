import type { NodeIdentity } from '../core/node.ts'
import { CidSet } from './cid-set.ts'
import type { RestoreStage } from '../core/marks.ts'
import type { Job } from '../core/placement.ts'
import type { Ipfs, Log, ReconcileStore, RestoreGuard } from '../core/ports.ts'
import type { NodeWorker, Report } from './driver.ts'

/** CIDs in one query to Postgres. */
const chunk = 1_000
/** CIDs in one writing transaction, which locks their contents. */
const writeChunk = 100
/**
 * The most of Kubo's pins that are kept in memory at a time, in 16 bytes each. If there are more, the run makes as many passes as it needs.
 */
const setMax = 1_000_000
/** The most unwanted pins that are remembered until the next run, and listed for operators; the rest wait for a later one. */
const suspectsMax = 100_000
/** An operator's confirmation is valid for this long, because it was given for what had been found then. */
const confirmedForMs = 3_600_000
/** `pin/ls` calls at a time. */
const checks = 8

/** The dependencies of the reconciler. */
export interface ReconcileParts {
  identity: NodeIdentity
  store: ReconcileStore
  restore: RestoreGuard
  ipfs: Pick<Ipfs, 'pins' | 'pinned'>
  log: Log
  /** Sends placements to this node's pin worker, to be looked at. */
  offer: (jobs: Job[]) => void
  /** True while the pin worker works on a CID: what Kubo has of it is then about to change. */
  isBusy: (cid: string) => boolean
  random?: () => number
  /** Only for tests of several passes. */
  setMax?: number
}

/**
 * Compares what this node's Kubo has pinned with this node's placements, both ways, and leaves out CIDs that are under way.
 *
 * A placement that is pinned in Postgres but not in Kubo is queued again, as a repair. A pin in Kubo under our name that has no placement
 * in two runs in a row gets a placement to be unpinned, written under the lock that accepts take too; nothing is removed here. More
 * unwanted pins than both 100 and one in a hundred of ours look like a wrong database or an old backup. Then none is removed, and the
 * report says so, until an operator confirms; the confirmation is for as many pins as there are then. On a restored database nothing is
 * changed either way until an operator confirms, or until two runs in a row find nothing to change (one will do on a new node); a pin whose
 * placement has said since before the restore to unpin it counts as unwanted meanwhile, since an org may have wanted it again. After that,
 * what is missing is queued again, and nothing is removed until every node has done so: until then, their placements may say `pinned` of
 * content that they do not have. Operators can list unwanted pins that are not removed. Every finding is checked again when it is written,
 * so running it twice, or beside the pin worker, changes nothing more.
 */
export function reconcile(parts: ReconcileParts): NodeWorker {
  const reconciler = new Reconciler(parts)
  return {
    name: 'reconciler',
    everyMs: 600_000,
    firstAfterMs: 5_000,
    leaderOnly: false,
    run: ({ signal }) => reconciler.run(signal),
  }
}

/**
 * Only the first half of a run: queues placements again that are pinned in Postgres but not in Kubo, unless the database was restored and
 * no operator has confirmed that. Returns how many are missing. What Kubo has in excess is left alone.
 */
export function missingPins(parts: ReconcileParts): (signal: AbortSignal) => Promise<number> {
  return async (signal) => {
    const { stage } = await parts.restore.state()
    return (await new Reconciler(parts).mendMissing(null, stage === 'undecided', signal)).missing
  }
}

/** Placements that are pinned in Postgres and not in Kubo. */
interface Missing {
  cids: string[]
  /** How many the pin worker works on, in Kubo or not, perhaps for a claim that the database lost. They are not changed. */
  busy: number
}

/** The findings of one run in Kubo. */
interface Found {
  /** The database is restored, and nobody has decided for this node. */
  undecided: boolean
  ours: number
  /** Pins that the pin worker worked on when Kubo was listed. */
  underWay: Set<string>
  /** Pins without a placement that the pin worker works on: it will stop, or has pinned them for an accept that Postgres lost. */
  unsure: number
  unwanted: number
  /** Pins that were unwanted in the last run as well. */
  confirmed: string[]
  suspects: Set<string>
}

class Reconciler {
  readonly #parts: ReconcileParts
  readonly #setMax: number
  #suspects: ReadonlySet<string> = new Set()
  #buckets = 1
  /** How many more removals an operator has confirmed. */
  #confirmed = 0
  #blocked = false
  /** The last run was on a restored database, and found nothing to change. */
  #agreed = false

  constructor(parts: ReconcileParts) {
    this.#parts = parts
    this.#setMax = parts.setMax ?? setMax
  }

  async run(signal: AbortSignal): Promise<Report> {
    const { restore } = this.#parts
    const { stage: begun, restoreId } = await restore.state()
    const undecided = begun === 'undecided'
    const found: Found = {
      undecided,
      ours: 0,
      underWay: new Set(),
      unsure: 0,
      unwanted: 0,
      confirmed: [],
      suspects: new Set(),
    }
    const { missing, repaired, busy } = await this.mendMissing(found, undecided, signal)
    found.unsure += busy
    if (begun === 'comparing' && restoreId !== null && busy === 0) await restore.compared(restoreId)
    // Asked again, because the database may have gone back while Kubo was listed.
    const { stage } = await restore.state()
    const removed = await this.#unwanted(found, missing, undecided ? begun : stage)
    const { ours: pins, unwanted } = found
    return {
      pins,
      missing,
      unwanted,
      repaired,
      removed: removed ?? 0,
      blocked: removed === null,
      restored: undecided || stage !== 'done',
    }
  }

  /**
   * Queues placements again that are pinned in Postgres but not in Kubo; only counts them while nobody has decided about a restore. Unless
   * `found` is null, adds the unwanted pins in Kubo to it on the way.
   */
  async mendMissing(
    found: Found | null,
    undecided: boolean,
    signal: AbortSignal,
  ): Promise<{ missing: number; repaired: number; busy: number }> {
    let missing = 0
    let repaired = 0
    let busy = 0
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      const isFirst = bucket === 0 && found?.ours === 0
      const inKubo = await this.#list(bucket, signal, isFirst ? found : null)
      if (inKubo.full) {
        this.#buckets *= 2
        bucket = -1
        missing = repaired
        continue
      }
      for await (const page of this.#missing(inKubo, found, signal)) {
        missing += page.cids.length
        busy += page.busy
        if (!undecided) repaired += await this.#repair(page.cids)
      }
    }
    return { missing, repaired, busy }
  }

  /** Lists Kubo's pins of one bucket. Unless `found` is null, adds the unwanted ones of our pins to it on the way. */
  async #list(bucket: number, signal: AbortSignal, found: Found | null): Promise<CidSet> {
    const { ipfs, isBusy, random = Math.random } = this.#parts
    const seed = Math.floor(random() * 2 ** 32)
    const inKubo = new CidSet({ seed, max: this.#setMax, buckets: this.#buckets, bucket })
    let ours: string[] = []
    for await (const pin of ipfs.pins(signal)) {
      inKubo.add(pin.cid)
      if (found === null && inKubo.full) break
      if (found === null || !pin.ours) continue
      if (isBusy(pin.cid)) found.underWay.add(pin.cid)
      ours.push(pin.cid)
      if (ours.length < chunk) continue
      await this.#judge(ours, found)
      ours = []
    }
    if (found !== null && ours.length > 0) await this.#judge(ours, found)
    return inKubo
  }

  async #judge(ours: string[], found: Found): Promise<void> {
    const { store, identity, isBusy } = this.#parts
    const placements = await store.placementsOf(identity, ours)
    const wanted = found.undecided
      ? placements.filter(({ state, fromBefore }) => state !== 'unpinning' || !fromBefore)
      : placements
    const placed = new Set(wanted.map(({ cid }) => cid))
    found.ours += ours.length
    for (const cid of ours) {
      if (placed.has(cid)) continue
      if (isBusy(cid)) {
        found.unsure++
        continue
      }
      found.unwanted++
      if (this.#suspects.has(cid)) found.confirmed.push(cid)
      if (found.suspects.size < suspectsMax) found.suspects.add(cid)
    }
  }

  /**
   * Walks the placements that should be pinned, and yields those that Kubo does not have, a page at a time. Kubo is asked again about pins
   * that were under way when it was listed: an unpin that was claimed before the database went back may have removed them since.
   */
  async *#missing(inKubo: CidSet, found: Found | null, signal: AbortSignal): AsyncGenerator<Missing> {
    const { store, identity } = this.#parts
    let cids = await store.walk(identity, null, chunk)
    for (let last = cids.at(-1); last !== undefined; last = cids.at(-1)) {
      const asked = cids.filter((cid) => inKubo.covers(cid) && (!inKubo.has(cid) || found?.underWay.has(cid)))
      yield await this.#stillMissing(asked, signal)
      signal.throwIfAborted()
      cids = await store.walk(identity, last, chunk)
    }
  }

  /** A CID that was pinned after Kubo was listed is not in the list, but is not missing: so Kubo is asked again about each one. */
  async #stillMissing(asked: string[], signal: AbortSignal): Promise<Missing> {
    const found: Missing = { cids: [], busy: 0 }
    const { ipfs, isBusy } = this.#parts
    const left = asked.values()
    const check = async () => {
      for (const cid of left) {
        // asked before Kubo is: an attempt that ends meanwhile may have pinned it
        const busy = isBusy(cid)
        const isMissing = (await ipfs.pinned(cid, signal)) === null
        if (busy) found.busy++
        else if (isMissing) found.cids.push(cid)
      }
    }
    await Promise.all(Array.from({ length: checks }, check))
    return found
  }

  /** Queues the placements again; returns how many. */
  async #repair(cids: string[]): Promise<number> {
    const { store, identity, offer } = this.#parts
    let repaired = 0
    for (let at = 0; at < cids.length; at += writeChunk) {
      const jobs = await store.requeueMissing(identity, cids.slice(at, at + writeChunk))
      repaired += jobs.length
      offer(jobs)
    }
    return repaired
  }

  /** Returns how many placements were written to be unpinned; null when that needs an operator's decision. */
  async #unwanted(found: Found, missing: number, stage: RestoreStage): Promise<number | null> {
    if (stage === 'undecided') return await this.#hold(found, missing)
    if (stage === 'done') return await this.#remove(found)
    return await this.#wait(found)
  }

  /**
   * Changes nothing, and lists and logs what it found, until an operator confirms; then it returns null. When two runs in a row found
   * nothing there is nothing to decide: it follows the database again, and returns 0.
   */
  async #hold(
    { undecided, ours, unsure, unwanted, suspects }: Found,
    missing: number,
  ): Promise<number | null> {
    const { identity, store, restore, log } = this.#parts
    this.#suspects = suspects
    this.#blocked = true
    await store.noteUnwanted(identity, [...suspects])
    const agreed = this.#agreed
    this.#agreed = undecided && unwanted + unsure + missing === 0
    const empty = ours + unsure === 0
    if (this.#agreed && (agreed || empty) && (await restore.follow(empty))) {
      this.#blocked = false
      return 0
    }
    log.warn(
      { pins: ours, missing, unwanted },
      'the database was restored: nothing is pinned again or removed until an operator decides ' +
        '(anchorage admin reconcile)',
    )
    return null
  }

  /** Removes nothing, because other nodes may not have what their placements say. What an operator has confirmed is kept for later. */
  async #wait({ ours, unwanted, suspects }: Found): Promise<number> {
    const { identity, store } = this.#parts
    this.#suspects = suspects
    this.#agreed = false
    await store.noteUnwanted(identity, [...suspects])
    if (unwanted > Math.max(mostOf(ours), this.#confirmed)) await this.#mayGoOn(ours, unwanted)
    return 0
  }

  /** Returns how many placements were written to be unpinned; null when there are too many unwanted pins to be plausible. */
  async #remove({ ours, unwanted, confirmed, suspects }: Found): Promise<number | null> {
    const { store, identity, log, offer } = this.#parts
    this.#suspects = suspects
    this.#agreed = false
    const most = mostOf(ours)
    if (unwanted > Math.max(most, this.#confirmed) && !(await this.#mayGoOn(ours, unwanted))) {
      log.error(
        { pins: ours, unwanted, most },
        'too many of our pins in Kubo belong to no content that an org wants: none is removed until an ' +
          'operator confirms it (anchorage admin reconcile --confirm)',
      )
      await store.noteUnwanted(identity, [...suspects])
      return null
    }
    this.#blocked = false
    await store.noteUnwanted(identity, [])
    let removed = 0
    for (let at = 0; at < confirmed.length; at += writeChunk) {
      const jobs = await store.dropUnwanted(identity, confirmed.slice(at, at + writeChunk))
      removed += jobs.length
      offer(jobs)
    }
    this.#confirmed = unwanted > most ? Math.max(this.#confirmed - removed, 0) : 0
    return removed
  }

  /**
   * A confirmation counts only after this reconciler has reported what it found. An earlier one was given for something else; it is used up
   * and has no effect.
   */
  async #mayGoOn(ours: number, unwanted: number): Promise<boolean> {
    const { store, identity, log } = this.#parts
    const isConfirmed = await store.takeConfirmation(identity, confirmedForMs)
    const mayGoOn = isConfirmed && this.#blocked
    this.#blocked = true
    if (!mayGoOn) return false
    this.#confirmed = unwanted
    log.warn({ pins: ours, unwanted }, 'an operator confirmed that unwanted pins in Kubo may be removed')
    return true
  }
}

/** So many of `ours` pins may be removed without a confirmation. */
function mostOf(ours: number): number {
  return Math.max(100, Math.floor(ours / 100))
}

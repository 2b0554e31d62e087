import type { Job } from '../core/placement.ts'

/** The kind of a waiting job: content requested for the first time, content tried before, content to unpin. */
export const jobKinds = ['fresh', 'retry', 'unpin'] as const
export type JobKind = (typeof jobKinds)[number]

/** The name under which jobs without an org are counted. */
const noOrg = ''

/** The org a job is counted against. */
export function orgOf(job: Job): string {
  return job.orgId ?? noOrg
}

/** The kind of `job`. */
export function kindOf(job: Job): JobKind {
  if (job.orgId === null) return 'unpin'
  return job.attempt <= 1 ? 'fresh' : 'retry'
}

/** The most jobs that wait. */
export interface QueueLimits {
  /** Retries apart. */
  max: number
  /** Retries have places of their own, so that fresh jobs, which come in any number, never take the last one. */
  retries: number
  /** Of one org and kind. */
  perOrg: number
}

/** The jobs that wait on this node. Orgs take turns, so that an org with a million jobs does not hold up an org with one. */
export class FairQueue {
  readonly #limits: QueueLimits
  readonly #byCid = new Map<string, Job>()
  readonly #lanes: Record<JobKind, Lane> = { fresh: emptyLane(), retry: emptyLane(), unpin: emptyLane() }

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#byCid.size
  }

  waiting(kind: JobKind): number {
    return this.#lanes[kind].size
  }

  get(cid: string): Job | undefined {
    return this.#byCid.get(cid)
  }

  /** How many more retries may wait. */
  get roomForRetries(): number {
    return this.#limits.retries - this.#lanes.retry.size
  }

  /** Adds a job behind the others of its org. False when the queue or the org's part of it is full. Its CID must not be queued already. */
  push(job: Job): boolean {
    const kind = kindOf(job)
    const lane = this.#lanes[kind]
    const room =
      kind === 'retry' ? this.roomForRetries : this.#limits.max - (this.size - this.waiting('retry'))
    if (room <= 0 || (lane.orgs.get(orgOf(job))?.length ?? 0) >= this.#limits.perOrg) return false
    this.#byCid.set(job.cid, job)
    append(lane, job)
    return true
  }

  /** Removes the job for `cid`, if there is one. */
  remove(cid: string): void {
    const job = this.#byCid.get(cid)
    if (job === undefined) return
    this.#byCid.delete(cid)
    withdraw(this.#lanes[kindOf(job)], job)
  }

  /** Removes all jobs and returns their CIDs. */
  clear(): string[] {
    const cids = [...this.#byCid.keys()]
    for (const cid of cids) this.remove(cid)
    return cids
  }

  /** The next job of `kind` for the org whose turn it is. Orgs that `mayGo` refuses are skipped. */
  take(kind: JobKind, mayGo: (org: string) => boolean): Job | undefined {
    const job = next(this.#lanes[kind], mayGo)
    if (job !== undefined) this.#byCid.delete(job.cid)
    return job
  }
}

/** Jobs of one kind. A Map keeps its keys in order of insertion, so the first org is the one whose turn it is. */
interface Lane {
  size: number
  orgs: Map<string, Job[]>
}

function emptyLane(): Lane {
  return { size: 0, orgs: new Map() }
}

function append(lane: Lane, job: Job): void {
  const jobs = lane.orgs.get(orgOf(job))
  if (jobs === undefined) lane.orgs.set(orgOf(job), [job])
  else jobs.push(job)
  lane.size++
}

function withdraw(lane: Lane, job: Job): void {
  const jobs = lane.orgs.get(orgOf(job)) ?? []
  const index = jobs.indexOf(job)
  if (index < 0) return
  jobs.splice(index, 1)
  if (jobs.length === 0) lane.orgs.delete(orgOf(job))
  lane.size--
}

function next(lane: Lane, mayGo: (org: string) => boolean): Job | undefined {
  for (const [org, jobs] of lane.orgs) {
    if (!mayGo(org)) continue
    const job = jobs.shift()
    lane.orgs.delete(org)
    if (jobs.length > 0) lane.orgs.set(org, jobs)
    lane.size--
    return job
  }
  return undefined
}

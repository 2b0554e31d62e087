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

/** The jobs that wait on this node. Orgs take turns, so that an org with a million jobs does not hold up an org with one. */
export class FairQueue {
  readonly #max: number
  readonly #maxPerOrg: number
  readonly #byCid = new Map<string, Job>()
  readonly #perOrg = new Map<string, number>()
  readonly #lanes: Record<JobKind, Lane> = { fresh: emptyLane(), retry: emptyLane(), unpin: emptyLane() }

  /** An empty queue of at most `max` jobs, and at most `maxPerOrg` of each org. */
  constructor({ max, maxPerOrg }: { max: number; maxPerOrg: number }) {
    this.#max = max
    this.#maxPerOrg = maxPerOrg
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

  /** Adds a job behind the others of its org. False when the queue or the org's part of it is full. Its CID must not be queued already. */
  push(job: Job): boolean {
    const ofOrg = this.#perOrg.get(orgOf(job)) ?? 0
    if (this.#byCid.size >= this.#max || ofOrg >= this.#maxPerOrg) return false
    this.#perOrg.set(orgOf(job), ofOrg + 1)
    this.#byCid.set(job.cid, job)
    append(this.#lanes[kindOf(job)], job)
    return true
  }

  /** Removes the job for `cid`, if there is one. */
  remove(cid: string): void {
    const job = this.#byCid.get(cid)
    if (job === undefined) return
    this.#forget(job)
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
    if (job !== undefined) this.#forget(job)
    return job
  }

  #forget(job: Job): void {
    const left = (this.#perOrg.get(orgOf(job)) ?? 1) - 1
    if (left > 0) this.#perOrg.set(orgOf(job), left)
    else this.#perOrg.delete(orgOf(job))
    this.#byCid.delete(job.cid)
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

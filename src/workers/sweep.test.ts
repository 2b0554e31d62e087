import assert from 'node:assert/strict'
import { test } from 'node:test'
import { epochOf, type Epoch } from '../core/epoch.ts'
import { AnchorageError, isCode } from '../core/errors.ts'
import { mintId } from '../core/ids.ts'
import type { Job } from '../core/placement.ts'
import type { Bus, SweepStore, Swept } from '../core/ports.ts'
import { sweep } from './sweep.ts'
import { silentLog } from '../core/silent-log.ts'

const nodeId = mintId('nod')

function job(cid: string): Job {
  return { cid, nodeId, orgId: null, generation: 1, attempt: 1 }
}

/** A store with this many rows to do in each step; every call takes at most its limit. */
class Backlog implements SweepStore {
  readonly left: Record<string, number>
  readonly epochs = new Set<Epoch>()
  lost: Job[] = []
  calls = 0
  onCall = () => {}

  constructor(left: Record<string, number>) {
    this.left = left
  }

  requeueExpiredClaims = (epoch: Epoch, limit: number) => this.#take('expired', epoch, limit)
  releaseDue = (epoch: Epoch, limit: number) => this.#take('due', epoch, limit)
  releaseHolds = (epoch: Epoch, limit: number) => this.#take('holds', epoch, limit)
  finishFolds = (epoch: Epoch, limit: number) => this.#take('folds', epoch, limit)
  boundTimes = (epoch: Epoch, limit: number) => this.#take('ahead', epoch, limit)
  wakePutBy = (epoch: Epoch, limit: number) => this.#take('put by', epoch, limit)

  async lostHints(): Promise<Job[]> {
    return this.lost
  }

  async #take(step: string, epoch: Epoch, limit: number): Promise<Swept> {
    this.calls++
    this.onCall()
    this.epochs.add(epoch)
    const rows = Math.min(limit, this.left[step] ?? 0)
    if (rows > 0) this.left[step] = (this.left[step] ?? 0) - rows
    return { rows, jobs: Array.from({ length: rows }, (_, index) => job(`${step}${index}`)) }
  }
}

function busInto(published: Job[], trouble: Error | null = null): Bus {
  return {
    async publishJobs(jobs) {
      if (trouble !== null) throw trouble
      published.push(...jobs)
    },
    consumeJobs: () => Promise.resolve(),
    trouble: () => null,
  }
}

const running = new AbortController().signal

test('it repeats each step until nothing is left, under its epoch, and hints the placements to look at', async () => {
  const store = new Backlog({ expired: 450, due: 10, holds: 3, folds: 1, ahead: 4, 'put by': 2 })
  store.lost = [job('lost')]
  const published: Job[] = []
  const report = await sweep({ store, bus: busInto(published), log: silentLog }).run({
    epoch: epochOf('5'),
    signal: running,
  })
  assert.deepEqual(report, {
    expiredClaims: 450,
    releasedHolds: 3,
    foldedPins: 1,
    boundedTimes: 4,
    walkedPutBy: 2,
    releasedPlacements: 10,
    lostHints: 1,
    hinted: 463,
    maintenance: false,
  })
  assert.deepEqual([...store.epochs], ['5'])
  assert.equal(published.length, 463)
})

test('a run is bounded however much is left, and the next run continues', async () => {
  const store = new Backlog({ expired: 1_000_000 })
  const published: Job[] = []
  const worker = sweep({ store, bus: busInto(published), log: silentLog })
  await worker.run({ epoch: epochOf('5'), signal: running })
  assert.ok(store.calls < 100 && published.length <= 1_200)
  const { calls } = store
  await worker.run({ epoch: epochOf('5'), signal: running })
  assert.ok(store.calls > calls)
})

test('while JetStream is down, the sweep does its work and hints nothing', async () => {
  const store = new Backlog({ expired: 10 })
  const bus = busInto([], new AnchorageError('unavailable', 'JetStream is away'))
  const report = await sweep({ store, bus, log: silentLog }).run({ epoch: epochOf('5'), signal: running })
  assert.partialDeepStrictEqual(report, { expiredClaims: 10, hinted: 0 })
})

test('lost leadership ends the run between two steps', async () => {
  const store = new Backlog({ expired: 1_000_000 })
  const leading = new AbortController()
  store.onCall = () => leading.abort()
  await sweep({ store, bus: busInto([]), log: silentLog }).run({
    epoch: epochOf('5'),
    signal: leading.signal,
  })
  assert.equal(store.calls, 1)
})

test('a failing step does not keep the others from running, but the run fails', async () => {
  const store = new Backlog({ due: 10, holds: 3 })
  store.requeueExpiredClaims = () => Promise.reject(new Error('broken'))
  const published: Job[] = []
  const turn = { epoch: epochOf('5'), signal: running }
  await assert.rejects(sweep({ store, bus: busInto(published), log: silentLog }).run(turn), /broken/)
  assert.deepEqual([store.left, published.length], [{ due: 0, holds: 0 }, 10])
})

test('a step that is refused because the epoch is over decides how the run fails, whatever else failed', async () => {
  const store = new Backlog({ due: 10 })
  const away = () => Promise.reject(new AnchorageError('unavailable', 'away'))
  store.requeueExpiredClaims = away
  store.releaseHolds = () =>
    Promise.reject(new AnchorageError('not_leading', 'another leader has been elected'))
  store.finishFolds = away
  store.lostHints = away
  const turn = { epoch: epochOf('5'), signal: running }
  const run = sweep({ store, bus: busInto([]), log: silentLog }).run(turn)
  await assert.rejects(run, (error) => isCode(error, 'not_leading'))
})

test('during maintenance it does nothing, and this is not a failure', async () => {
  const store = new Backlog({ expired: 10, due: 10 })
  store.lost = [job('lost')]
  store.onCall = () => {
    throw new AnchorageError('maintenance', 'maintenance is on')
  }
  const published: Job[] = []
  const worker = sweep({ store, bus: busInto(published), log: silentLog })
  assert.partialDeepStrictEqual(await worker.run({ epoch: epochOf('5'), signal: running }), {
    maintenance: true,
  })
  assert.deepEqual([store.calls, published.length], [1, 0])
})

import { isCode } from '../core/errors.ts'
import type { Bus, Log, SweepStore, Swept } from '../core/ports.ts'
import type { LeaderTurn, LeaderWorker, Report } from './driver.ts'
import { hint } from './send-hints.ts'

const everyMs = 5_000
/** Rows in one transaction: few enough that accepts and finishes do not notice the locks. */
const batch = 200
/** The most transactions of one step in one run; the rest is left to the next. */
const roundsMax = 50
/** Nodes read their own due work every few seconds. If a placement is due for longer than this, its hint was lost or its node is busy. */
const overdueMs = 30_000
const hintsMax = 1_000

/** The dependencies of `sweep`. */
export interface SweepParts {
  store: SweepStore
  bus: Bus
  log: Log
}

/**
 * Compares placements and contents with the state that they should have by now, and finishes what hints, crashes and finishes left behind:
 * claims that ran out, content that no pin wants any more, holds of finished replaces, long folds, times that lie too far ahead, work of orgs
 * that were resumed, lost hints. Each step is a few small transactions under the leader's epoch that find nothing the second time, so running it twice, or on two
 * nodes, is safe. During maintenance the store refuses, and nothing is done.
 */
export function sweep(parts: SweepParts): LeaderWorker {
  return { name: 'requeue-sweeper', everyMs, leaderOnly: true, run: (turn) => run(parts, turn) }
}

async function run({ store, bus, log }: SweepParts, { epoch, signal }: LeaderTurn): Promise<Report> {
  const errors: unknown[] = []
  // A failing step must not keep the others from running.
  const taken = async (step: () => Promise<Swept>): Promise<Swept> => {
    try {
      if (errors.some((error) => isCode(error, 'maintenance'))) return { rows: 0, jobs: [] }
      return await repeated(step, signal)
    } catch (error) {
      errors.push(error)
      return { rows: 0, jobs: [] }
    }
  }
  const expired = await taken(() => store.requeueExpiredClaims(epoch, batch))
  const holds = await taken(() => store.releaseHolds(epoch, batch))
  const folds = await taken(() => store.finishFolds(epoch, batch))
  const bounded = await taken(() => store.boundTimes(epoch, batch))
  const woken = await taken(() => store.wakePutBy(epoch, batch))
  const released = await taken(() => store.releaseDue(epoch, batch))
  const maintenance = errors.some((error) => isCode(error, 'maintenance'))
  // Whatever else failed: the driver has to learn that the epoch is over.
  const over = errors.find((error) => isCode(error, 'not_leading'))
  const lost =
    signal.aborted || maintenance || over !== undefined ? [] : await store.lostHints(overdueMs, hintsMax)
  const hinted = await hint(bus, [...expired.jobs, ...woken.jobs, ...released.jobs, ...lost], log)
  if (over !== undefined) throw over
  if (errors.length > 0 && !maintenance) throw errors[0]
  return {
    expiredClaims: expired.rows,
    releasedHolds: holds.rows,
    foldedPins: folds.rows,
    boundedTimes: bounded.rows,
    walkedPutBy: woken.rows,
    releasedPlacements: released.rows,
    lostHints: lost.length,
    hinted,
    maintenance,
  }
}

/** Repeats a step until it finds nothing more, but at most `roundsMax` times. */
async function repeated(step: () => Promise<Swept>, signal: AbortSignal): Promise<Swept> {
  const all: Swept = { rows: 0, jobs: [] }
  for (let round = 0; round < roundsMax && !signal.aborted; round++) {
    const { rows, jobs } = await step()
    if (rows === 0) break
    all.rows += rows
    if (all.jobs.length < hintsMax) all.jobs.push(...jobs)
  }
  return all
}

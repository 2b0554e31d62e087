import { isCode } from '../core/errors.ts'
import type { Bus, Log, OrgRemovalStore } from '../core/ports.ts'
import type { LeaderTurn, LeaderWorker, Report } from './driver.ts'
import { hint } from './send-hints.ts'

const everyMs = 5_000
/** Pins in one transaction: few enough that accepts of the same content do not notice the locks. */
const batch = 200
/** The most transactions in one run; the rest is left to the next. */
const stepsMax = 500

/** The dependencies of `removeOrgs`. */
export interface RemoveOrgsParts {
  store: OrgRemovalStore
  bus: Bus
  log: Log
}

/**
 * Compares the orgs that operators want removed with what is still there of them, and deletes that in small transactions under the leader's
 * epoch: first the pins, as their own deletes would, and at last the org. Each transaction begins with what it finds, so it does not matter
 * where the one before stopped, or which leader ran it. During maintenance the store refuses, and nothing is done.
 */
export function removeOrgs(parts: RemoveOrgsParts): LeaderWorker {
  return { name: 'remove-orgs', everyMs, leaderOnly: true, run: (turn) => run(parts, turn) }
}

async function run({ store, bus, log }: RemoveOrgsParts, { epoch, signal }: LeaderTurn): Promise<Report> {
  const done = { pins: 0, orgs: 0, hinted: 0 }
  try {
    for (let steps = 0; steps < stepsMax && !signal.aborted; steps++) {
      const step = await store.removeSome(epoch, batch)
      if (step === null) break
      done.pins += step.pins
      done.hinted += await hint(bus, step.jobs, log)
      if (!step.removed) continue
      done.orgs++
      log.info({ orgId: step.orgId }, 'an org is removed; its audit is kept')
    }
  } catch (error) {
    if (isCode(error, 'maintenance')) return { ...done, maintenance: true }
    throw error
  }
  return { ...done, maintenance: false }
}

import { isCode } from '../core/errors.ts'
import type { Bus, Log, OrgRemovalStore } from '../core/ports.ts'
import type { LeaderTurn, LeaderWorker, Report } from './driver.ts'
import { hint } from './hint.ts'

const everyMs = 5_000
/** Pins of one transaction: few enough that accepts of the same content do not notice the locks. */
const batch = 200
/** Transactions of one run; what is left waits for the next. */
const stepsMax = 500

/** What removing orgs is made of. */
export interface RemoveOrgsParts {
  store: OrgRemovalStore
  bus: Bus
  log: Log
}

/**
 * Compares what operators want removed with what is still there, and takes it away in small transactions under the leader's epoch: pins as
 * their deletes would, and at last the org. Each begins with what it finds, so that it does not matter where the one before broke off, nor
 * whose it was. In maintenance the store refuses, and nothing is done.
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
      log.info({ orgId: step.orgId }, 'an org is removed; its audit stays')
    }
  } catch (error) {
    if (isCode(error, 'maintenance')) return { ...done, maintenance: true }
    throw error
  }
  return { ...done, maintenance: false }
}

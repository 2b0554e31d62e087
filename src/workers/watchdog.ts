import type { Maintenance } from '../core/maintenance.ts'
import type { Clock, Log, OperatorStore } from '../core/ports.ts'
import type { LeaderTurn, LeaderWorker, Report } from './driver.ts'

const everyMs = 2_000
const remindEveryMs = 60_000

/** The dependencies of the watchdog. */
export interface WatchdogParts {
  store: Pick<OperatorStore, 'maintenance' | 'endMaintenance'>
  /** Maintenance without an end of its own lasts too long after this. */
  maxMs: number
  /** Tells the cluster what is in Postgres: at every change, and every minute in case that message was lost. */
  mirror: (maintenance: Maintenance | null) => void
  clock: Pick<Clock, 'now' | 'steadyMs'>
  log: Log
}

/**
 * Ends maintenance when its time is over. When maintenance has no end of its own and lasts too long, warns until an operator ends it.
 * Ending it is one statement under the leader's epoch that finds nothing the second time, so running it twice is safe.
 */
export function watchdog(parts: WatchdogParts): LeaderWorker {
  let remindedAtMs = -Infinity
  let mirrored = ''
  let mirroredAtMs = -Infinity

  function mirror(maintenance: Maintenance | null): void {
    const text = JSON.stringify(maintenance)
    if (text === mirrored && parts.clock.steadyMs() - mirroredAtMs < remindEveryMs) return
    mirrored = text
    mirroredAtMs = parts.clock.steadyMs()
    parts.mirror(maintenance)
  }

  async function run({ epoch }: LeaderTurn): Promise<Report> {
    const { store, maxMs, clock, log } = parts
    const before = await store.maintenance()
    mirror(before)
    if (before === null) return { on: false, overdue: false }
    if (before.until !== null && (await store.endMaintenance(epoch))) {
      const { reason, actor, since } = before
      log.warn({ reason, actor, since }, 'maintenance ended: its time is over; repair continues')
      mirror(null)
      return { on: false, overdue: false, ended: true }
    }
    const lastedMs = clock.now() - before.since.getTime()
    const overdue = isOverdue(before, maxMs, clock.now())
    if (overdue && clock.steadyMs() - remindedAtMs >= remindEveryMs) {
      remindedAtMs = clock.steadyMs()
      log.error({ reason: before.reason, actor: before.actor, lastedMs }, overdueText(before, clock.now()))
    }
    return { on: true, overdue, lastedMs }
  }

  return { name: 'maintenance-watchdog', everyMs, leaderOnly: true, run }
}

/** True when maintenance without an end of its own has lasted too long. */
export function isOverdue({ since, until }: Maintenance, maxMs: number, nowMs: number): boolean {
  return until === null && nowMs - since.getTime() >= maxMs
}

/** The warning to operators about maintenance that lasts too long. */
export function overdueText({ since, actor, reason }: Maintenance, nowMs: number): string {
  const minutes = Math.floor((nowMs - since.getTime()) / 60_000)
  return `maintenance has been on for ${minutes} minutes (${actor}: ${reason}); nothing is repaired until it is switched off`
}

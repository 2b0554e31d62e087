import { isCode } from '../core/errors.ts'
import type { Job } from '../core/placement.ts'
import type { Bus, Log } from '../core/ports.ts'

/** Hints what a leader changed to its nodes; returns how many hints went. With JetStream away none does: the nodes find their due work in Postgres. */
export async function hint(bus: Pick<Bus, 'publishJobs'>, jobs: Job[], log: Log): Promise<number> {
  if (jobs.length === 0) return 0
  try {
    await bus.publishJobs(jobs)
    return jobs.length
  } catch (error) {
    if (!isCode(error, 'unavailable')) throw error
    log.debug({ err: error, jobs: jobs.length }, 'a leader could not hint')
    return 0
  }
}

import { isCode } from '../core/errors.ts'
import type { Job } from '../core/placement.ts'
import type { Bus, Log } from '../core/ports.ts'

/**
 * Sends hints about placements that the leader changed to their nodes; returns how many it sent. While JetStream is down it sends none: the
 * nodes find their due work in Postgres.
 */
export async function hint(bus: Pick<Bus, 'publishJobs'>, jobs: Job[], log: Log): Promise<number> {
  if (jobs.length === 0) return 0
  try {
    await bus.publishJobs(jobs)
    return jobs.length
  } catch (error) {
    if (!isCode(error, 'unavailable')) throw error
    log.debug({ err: error, jobs: jobs.length }, 'the leader could not send hints')
    return 0
  }
}

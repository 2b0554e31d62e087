import type { Config } from '../../config/config.ts'
import { inOneLine } from '../../core/errors.ts'
import type { Health } from '../../http/health.ts'

/** The result of one check. `warn`: nothing is broken yet. `skip`: it could not be looked at. */
export interface Finding {
  /** The subject of the check in a word or two; it is the same for every result. */
  check: string
  state: 'ok' | 'warn' | 'fail' | 'skip'
  says: string
  /** The action to take; null when there is nothing to do, or when `says` includes it. */
  advice: string | null
}

/** The subject of the checks: a config, and the node that runs with it, if one does. */
export interface Patient {
  config: Config
  /** The node's answer at `http.listen`; null while no node runs there. */
  node: Health | null
}

/** One check, or several that belong together. It rejects with the reason when it could not look. */
export type Check = (patient: Patient, signal: AbortSignal) => Promise<Finding[]>

export function ok(check: string, says: string): Finding {
  return { check, state: 'ok', says, advice: null }
}

export function warn(check: string, says: string, advice: string | null): Finding {
  return { check, state: 'warn', says, advice }
}

export function fail(check: string, says: string, advice: string | null): Finding {
  return { check, state: 'fail', says, advice }
}

export function skip(check: string, says: string): Finding {
  return { check, state: 'skip', says, advice: null }
}

/** The finding of `work`, or a failure with the message of its error. Our own errors say what to do. */
export async function judged(check: string, work: () => Promise<Finding>): Promise<Finding> {
  try {
    return await work()
  } catch (error) {
    return fail(check, inOneLine(error), null)
  }
}

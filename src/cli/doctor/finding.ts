import type { Config } from '../../app/config.ts'
import { inOneLine } from '../../core/errors.ts'
import type { Health } from '../../http/health.ts'

/** What one look found: `warn` breaks nothing today, `skip` could not be looked at. */
export interface Finding {
  /** What was looked at, in a word or two; it stays the same whatever was found. */
  check: string
  state: 'ok' | 'warn' | 'fail' | 'skip'
  says: string
  /** What to do; null where nothing is to be done, or where `says` includes it. */
  advice: string | null
}

/** What is looked at: a config, and the node that runs with it, if one does. */
export interface Patient {
  config: Config
  /** What the node said at `http.listen`; null while none runs there. */
  node: Health | null
}

/** One look, or several that belong together. It rejects with the reason why it could not look. */
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

/** The finding of `work`, or a failure with the message of its error, which says what to do where it is one of ours. */
export async function judged(check: string, work: () => Promise<Finding>): Promise<Finding> {
  try {
    return await work()
  } catch (error) {
    return fail(check, inOneLine(error), null)
  }
}

import type { SessionStore } from '../core/login-ports.ts'
import type { AuditStore, OperatorStore, PruneStore, TokenStore } from '../core/ports.ts'
import type { LeaderWorker } from './driver.ts'

/** Plans, tokens and sessions that ended are kept for this long, so that operators can still see what was moved, or with which token. */
const keepMs = 30 * 86_400_000
/** The most plans that one run deletes, with their moves. */
const plansMax = 10
/** The same limit for sessions, for tokens and for lines of the audit. */
const rowsMax = 10_000

/** The dependencies of `prune`. */
export interface PruneParts {
  store: Pick<OperatorStore, 'pruneDenylist'>
  plans: PruneStore
  tokens: Pick<TokenStore, 'retireKeys' | 'pruneTokens'>
  sessions: Pick<SessionStore, 'pruneSessions'>
  audit: AuditStore
  /** How many whole months of the audit are kept besides the present one; undefined for all. */
  auditMonths: number | undefined
}

/**
 * Removes what is no longer needed: denials of tokens that have expired, keys that no living token was signed with, and plans, tokens and
 * sessions that ended long ago. A second run finds nothing.
 */
export function prune({ store, plans, tokens, sessions, audit, auditMonths }: PruneParts): LeaderWorker {
  return {
    name: 'prune',
    everyMs: 600_000,
    firstAfterMs: 60_000,
    leaderOnly: true,
    run: async () => {
      const gone = {
        deniedTokens: await store.pruneDenylist(),
        tokens: await tokens.pruneTokens(keepMs, rowsMax),
        retiredKeys: (await tokens.retireKeys('prune')).length,
        sessions: await sessions.pruneSessions(keepMs, rowsMax),
        plans: await plans.prunePlans(keepMs, plansMax),
      }
      const dropped = auditMonths === undefined ? null : await audit.drop(auditMonths, rowsMax)
      return { ...gone, auditMonths: dropped?.months.length ?? 0, auditLines: dropped?.lines ?? 0 }
    },
  }
}

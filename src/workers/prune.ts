import type { SessionStore } from '../core/login-ports.ts'
import type { AuditStore, OperatorStore, PruneStore, TokenStore } from '../core/ports.ts'
import type { LeaderWorker } from './driver.ts'

/** What is over is kept for so long, for whoever asks what was moved, or with which token. */
const keepMs = 30 * 86_400_000
/** Plans that go in one run, with their moves. */
const plansMax = 10
/** The same of sessions and of tokens. */
const rowsMax = 10_000

/** What pruning is made of. */
export interface PruneParts {
  store: Pick<OperatorStore, 'pruneDenylist'>
  plans: PruneStore
  tokens: Pick<TokenStore, 'retireKeys' | 'pruneTokens'>
  sessions: Pick<SessionStore, 'pruneSessions'>
  audit: AuditStore
  /** So many whole months of the audit are kept beside the present one; undefined: all. */
  auditMonths: number | undefined
}

/**
 * Removes what time made useless: denied tokens that are over anyway, keys that no living token was signed with, and what was over long ago.
 * The second time it finds nothing.
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

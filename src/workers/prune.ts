import type { OperatorStore, PruneStore, TokenStore } from '../core/ports.ts'
import type { LeaderWorker } from './driver.ts'

/** Plans that are over are kept for so long, for whoever asks what was moved. */
const keepPlansMs = 30 * 86_400_000
/** Plans that go in one run, with their moves. */
const plansMax = 10

/** What pruning is made of. */
export interface PruneParts {
  store: Pick<OperatorStore, 'pruneDenylist'>
  plans: PruneStore
  keys: Pick<TokenStore, 'retireKeys'>
}

/** Removes what time made useless: denied tokens that are over anyway, keys that no living token was signed with, old plans. The second time it finds nothing. */
export function prune({ store, plans, keys }: PruneParts): LeaderWorker {
  return {
    name: 'prune',
    everyMs: 600_000,
    firstAfterMs: 60_000,
    leaderOnly: true,
    run: async () => ({
      deniedTokens: await store.pruneDenylist(),
      retiredKeys: (await keys.retireKeys()).length,
      plans: await plans.prunePlans(keepPlansMs, plansMax),
    }),
  }
}

import type { NatsLink } from '../cluster/nats-link.ts'
import { clearMaintenance, putMaintenance } from '../cluster/maintenance.ts'
import { operatorUseCases, type Announcement, type OperatorUseCases } from '../core/operators.ts'
import type { Log } from '../core/ports.ts'
import type { Store } from '../store/store.ts'
import { announceNodesChanged } from './caches.ts'
import type { Config } from '../config/config.ts'
import { policyOf } from './placement-policy.ts'

export interface OperatorNeeds {
  config: Pick<Config, 'cluster' | 'rebalance'>
  store: Pick<Store, 'operator' | 'plans' | 'repair' | 'measures' | 'tokens'>
  /** The connection to NATS. Rejects while there is none; the nodes then get no message and see the change by themselves within seconds. */
  link: () => Promise<NatsLink>
  log: Log
}

/** The operators' use cases, for a running node and for a command. */
export function operators({ config, store, link, log }: OperatorNeeds): OperatorUseCases {
  return operatorUseCases({
    store: store.operator,
    plans: store.plans,
    measures: store.measures,
    repair: store.repair,
    announce: async (announcement) => announce(await link(), store, announcement),
    policy: policyOf(config),
    log,
  })
}

async function announce(
  link: NatsLink,
  store: Pick<Store, 'tokens'>,
  announcement: Announcement,
): Promise<void> {
  if (announcement.what === 'nodes') await announceNodesChanged(link, store.tokens)
  else if (announcement.maintenance === null) await clearMaintenance(link)
  else await putMaintenance(link, announcement.maintenance)
}

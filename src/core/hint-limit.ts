import { LRUCache } from 'lru-cache'
import type { NodeId, OrgId } from './ids.ts'
import type { WokenPlacement } from './pin.ts'
import type { PinStore, SteadyClock } from './ports.ts'

/** After how many hints the backlog of an org is read again: a quarter of the jobs that may wait on one node. */
const lookEvery = 64
/** A result is trusted for this long. */
const staleMs = 1_000
/** How many orgs are remembered. Forgetting one costs a read of its backlog. */
const orgsMax = 10_000

interface Known {
  sent: number
  lookedAtMs: number
  crowded: Set<NodeId>
}

/**
 * Decides which hints are worth sending. Where enough of an org's jobs wait on a node, more hints only make the node's stream longer: the
 * node finds those rows in Postgres anyway. The backlog is read concurrently with the accepts and never within one, since that read is the
 * slowest thing there under load.
 */
export function hintLimit(
  store: Pick<PinStore, 'crowded'>,
  clock: Pick<SteadyClock, 'steadyMs'>,
): (orgId: OrgId, woken: WokenPlacement[]) => WokenPlacement[] {
  const orgs = new LRUCache<OrgId, Known>({ max: orgsMax })

  return (orgId, woken) => {
    const known = orgs.get(orgId) ?? remember(orgId)
    if (clock.steadyMs() - known.lookedAtMs > staleMs) known.crowded.clear()
    const worth = woken.filter(({ nodeId }) => !known.crowded.has(nodeId))
    known.sent += woken.length
    if (known.sent >= lookEvery) void look(orgId, known)
    return worth
  }

  function remember(orgId: OrgId): Known {
    const known: Known = { sent: 0, lookedAtMs: -Infinity, crowded: new Set() }
    orgs.set(orgId, known)
    return known
  }

  async function look(orgId: OrgId, known: Known): Promise<void> {
    known.sent = 0
    try {
      known.crowded = new Set(await store.crowded(orgId))
      known.lookedAtMs = clock.steadyMs()
    } catch {
      // Too many hints do no harm; the next read tries again.
    }
  }
}

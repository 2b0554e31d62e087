import type { NodeId, OrgId } from './ids.ts'
import type { WokenPlacement } from './pin.ts'
import type { Clock, PinStore } from './ports.ts'

/** So many hints of an org go out between two looks at how many of its jobs wait; a quarter of what may be outstanding. */
const lookEvery = 64
/** What a look found is true for so long. */
const staleMs = 1_000
/** Orgs remembered; forgetting one costs a look. */
const orgsMax = 10_000

interface Known {
  sent: number
  lookedAtMs: number
  crowded: Set<NodeId>
}

/**
 * Which hints are worth sending: on a node where enough of an org's jobs wait, more of them only make its stream longer; the node
 * comes to those rows by itself. The look is beside the accepts, never within one: it reads what is waiting, and under load that
 * is the slowest thing there.
 */
export function hintLimit(
  store: Pick<PinStore, 'crowded'>,
  clock: Pick<Clock, 'now'>,
): (orgId: OrgId, woken: WokenPlacement[]) => WokenPlacement[] {
  const orgs = new Map<OrgId, Known>()

  return (orgId, woken) => {
    const known = orgs.get(orgId) ?? remember(orgId)
    if (clock.now() - known.lookedAtMs > staleMs) known.crowded.clear()
    const worth = woken.filter(({ nodeId }) => !known.crowded.has(nodeId))
    known.sent += woken.length
    if (known.sent >= lookEvery) void look(orgId, known)
    return worth
  }

  function remember(orgId: OrgId): Known {
    const [oldest] = orgs.size >= orgsMax ? orgs.keys() : []
    if (oldest !== undefined) orgs.delete(oldest)
    const known: Known = { sent: 0, lookedAtMs: -Infinity, crowded: new Set() }
    orgs.set(orgId, known)
    return known
  }

  async function look(orgId: OrgId, known: Known): Promise<void> {
    known.sent = 0
    try {
      known.crowded = new Set(await store.crowded(orgId))
      known.lookedAtMs = clock.now()
    } catch {
      // Too many hints do no harm; the next look tells.
    }
  }
}

import { createHash } from 'node:crypto'
import { chooseNodes } from './choose-nodes.ts'
import { AnchorageError } from './errors.ts'
import { idOf, type NodeId, type OrgId, type PinId } from './ids.ts'
import type { RoomPolicy } from './node-room.ts'
import type { Node } from './node.ts'
import type { NewPin } from './pin.ts'
import type { OperatorStore, OrgDirectory, PinStore, UnwantedPin } from './ports.ts'

export interface AdoptParts {
  store: {
    operator: Pick<OperatorStore, 'unwanted'>
    orgDirectory: Pick<OrgDirectory, 'findOrg'>
    pins: Pick<PinStore, 'acceptPins'>
  }
  nodes: () => Promise<Node[]>
  room: RoomPolicy
  now: () => number
}

/** As many pins as an accept has at most. */
const batch = 32
/** How many nodes are chosen beside those that have the content. */
const others = 5

/**
 * Makes the unwanted pins of a node pins of an org: ordinary pins, within the org's limits, on the nodes that have the content already.
 * Yields how many it has adopted so far. Rejects with `over_quota` at the org's limit, and with `conflict` for a suspended org; what was
 * adopted before stays. It may be repeated: a content that the org has adopted already stays the same pin.
 */
export async function* adopt(
  parts: AdoptParts,
  { nodeId, org: asked, actor }: { nodeId: NodeId; org: string; actor: string },
): AsyncGenerator<number> {
  const { operator, orgDirectory, pins } = parts.store
  const org = await orgDirectory.findOrg(asked)
  if (org.suspended !== null)
    throw new AnchorageError('conflict', `the org ${org.slug} is suspended: resume it first`)
  const nodes = await parts.nodes()
  let adopted = 0
  for (let after: string | undefined = ''; after !== undefined;) {
    const found: UnwantedPin[] = await operator.unwanted(nodeId, after, batch)
    after = found.at(-1)?.cid
    if (found.length === 0) return
    const wanted = found.map((each) => pinOf(parts, org.id, each, nodes, actor))
    for (const outcome of await pins.acceptPins(org.id, wanted, true)) {
      if ('error' in outcome) throw outcome.error
      adopted++
    }
    yield adopted
  }
}

function pinOf(
  { room, now }: AdoptParts,
  orgId: OrgId,
  { cid, holders }: UnwantedPin,
  nodes: Node[],
  actor: string,
): NewPin {
  const have = new Set(holders)
  const more = chooseNodes(cid, nodes, others, room).filter((id) => !have.has(id))
  const meta = { 'anchorage.adopted': new Date(now()).toISOString() }
  return {
    id: adoptedId(orgId, cid),
    cid,
    cidText: cid,
    meta,
    replicas: null,
    actor,
    nodes: [...holders, ...more],
  }
}

/** The same id each time, so that an adoption that was interrupted and is repeated makes no second pin. */
function adoptedId(orgId: OrgId, cid: string): PinId {
  const bytes = createHash('sha256').update(`adopt ${orgId} ${cid}`).digest().subarray(0, 16)
  // a UUIDv8 (RFC 9562): its bits are the program's own
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join(
    '-',
  )
  return idOf('pin', uuid)
}

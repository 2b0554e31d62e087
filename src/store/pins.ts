import { AnchorageError } from '../core/errors.ts'
import {
  idOf,
  mintId,
  uuidOf,
  type NodeId,
  type OrgId,
  type PinId,
  type TokenId,
  type UserId,
} from '../core/ids.ts'
import type { NewPin, Pin, PinStatus, WokenPlacement, Accepted } from '../core/pin.ts'
import type { Database, OrgTx } from './database.ts'
import { pinColumns, type DetailRow, type KnownNodes, type PinRow } from './pin-rows.ts'
import { acceptedInfo, delegatesOf, pinOf } from './show-pin.ts'
import { fold, mapMeta, toText } from './text.ts'

/** Once this many jobs of one org wait on one node, no more hints are published for it: the node gets to them in turn. */
const maxHints = 256

interface AcceptedRow {
  id: string
  created: Date
  status: PinStatus
  replicas: number
  /** How many of the replicas have a node so far; null for a pin that was there already. */
  copies: number | null
  woken: { nodeId: string; generation: number; attempt: number }[] | null
  /** The limit of the org that the pin would exceed; all other fields but the id are then null. */
  refused: Beyond | null
}

/**
 * What an accept needs beside the pins: the nodes, the number of replicas for an org that has none of its own, and the grace for a delete.
 */
export interface AcceptTerms {
  knownNodes: KnownNodes
  replicas: number
  /** How long content that no pin wants any more stays pinned. */
  graceMs: number
}

/** Accepts `pins` in order. `again`: they may have been accepted before; those are answered from their rows. */
export async function acceptPins(
  db: Database,
  orgId: OrgId,
  pins: NewPin[],
  { knownNodes, replicas, graceMs }: AcceptTerms,
  again: boolean,
  replaces: PinId | null = null,
): Promise<Accepted[]> {
  const ids = pins.map((pin) => uuidOf(pin.id))
  const items = JSON.stringify(pins.map((pin, index) => toItem(pin, ids[index])))
  const [rows = []] = await db.orgAtOnce(orgId, [
    [
      'select id, created, status, replicas, copies, woken, refused from accept_pins($1, $2, $3, $4, $5)',
      [items, again, replaces && uuidOf(replaces), replicas, graceMs],
      'accept',
    ],
  ])
  const byId = new Map((rows as AcceptedRow[]).map((row) => [row.id, row]))
  return pins.map((pin, index) => {
    const row = byId.get(ids[index] ?? '')
    if (!row) return { error: notFound() }
    if (row.refused) return { error: overQuota(row.refused) }
    return {
      pin: accepted(pin, row, knownNodes),
      woken: (row.woken ?? []).map((w) => ({
        ...hint(w, pin.cid, orgId),
        ...(row.status === 'pinning' && pin.origins !== undefined ? { wokenBy: pin.id } : {}),
      })),
    }
  })
}

/** Nodes where so many of the org's placements wait that more hints are useless. */
export async function crowded(db: Database, orgId: OrgId): Promise<NodeId[]> {
  const [rows = []] = await db.orgAtOnce(orgId, [
    ['select node_id from org_backlog() where waiting > $1', [maxHints], 'crowded'],
  ])
  return (rows as { node_id: string }[]).map((row) => idOf('nod', row.node_id))
}

/** Removes a pin in any state; `not_found` when there is none. */
export async function removePin(
  tx: OrgTx,
  orgId: OrgId,
  id: PinId,
  actor: TokenId | UserId,
  graceMs: number,
): Promise<WokenPlacement[]> {
  const [row] = await tx.query<{
    found: boolean
    woken: { cid: string; nodeId: string; generation: number }[] | null
  }>('select found, woken from remove_pin($1, $2, $3, $4, $5)', [
    uuidOf(id),
    graceMs,
    uuidOf(mintId('aud')),
    actor,
    id,
  ])
  if (!row?.found) throw notFound()
  return (row.woken ?? []).map((w) => hint({ ...w, attempt: 1 }, w.cid, orgId))
}

/** One pin; `not_found` when the org has none. */
export async function getPin(db: Database, orgId: OrgId, id: PinId, knownNodes: KnownNodes): Promise<Pin> {
  const [rows = []] = await db.orgAtOnce(orgId, [
    [
      `select to_json(p) as pin, (select json_agg(d) from pin_details(array[p.cid]) d) as details
       from (select ${pinColumns} from pins where org_id = current_org() and id = $1) p`,
      [uuidOf(id)],
      'pin',
    ],
  ])
  const [row] = rows as { pin: PinRow; details: DetailRow[] | null }[]
  if (!row) throw notFound()
  return pinOf(row.pin, row.details ?? [], knownNodes)
}

/** What an org may have, and what it has (for replicas: what it asks for). */
interface Beyond {
  limit: 'pins' | 'bytes' | 'replicas'
  may: number
  has: number
}

function overQuota({ limit, may, has }: Beyond): AnchorageError {
  const words = {
    pins: `this org may have ${may} pins and has ${has}`,
    bytes: `this org may have ${may} bytes and has ${has}: there is no room for this content`,
    replicas: `this org may ask for ${may} replicas of a pin, not for ${has}`,
  }
  return new AnchorageError('over_quota', words[limit], { bound: `${limit} of one org` })
}

function notFound(): AnchorageError {
  return new AnchorageError('not_found', 'there is no pin with this requestid')
}

function toItem(pin: NewPin, id: string | undefined): object {
  return {
    id,
    publicId: pin.id,
    auditId: uuidOf(mintId('aud')),
    actor: pin.actor,
    audit: { cid: pin.cid },
    cid: pin.cid,
    cidText: pin.cidText === pin.cid ? undefined : pin.cidText,
    name: pin.name === undefined ? undefined : toText(pin.name),
    folded: pin.name === undefined ? undefined : toText(fold(pin.name)),
    meta: pin.meta && mapMeta(pin.meta, toText),
    origins: pin.origins,
    replicas: pin.replicas ?? undefined,
    nodes: pin.nodes.map(uuidOf),
  }
}

/** The pin as the accept left it. Nothing else is known of it yet, so no query is needed. */
function accepted(pin: NewPin, row: AcceptedRow, knownNodes: KnownNodes): Pin {
  return {
    id: pin.id,
    status: row.status,
    created: row.created,
    cid: pin.cidText,
    ...(pin.name === undefined ? {} : { name: pin.name }),
    ...(pin.meta === undefined ? {} : { meta: pin.meta }),
    ...(pin.origins === undefined ? {} : { origins: pin.origins }),
    delegates: delegatesOf(pin.nodes.slice(0, row.replicas), knownNodes),
    info: {
      ...acceptedInfo(row.replicas, row.copies, row.status === 'pinned'),
      ...(pin.originsPassedOver === undefined ? {} : { origins_passed_over: pin.originsPassedOver }),
    },
  }
}

function hint(
  woken: { nodeId: string; generation: number; attempt: number },
  cid: string,
  orgId: OrgId,
): WokenPlacement {
  return {
    cid,
    nodeId: idOf('nod', woken.nodeId),
    orgId,
    generation: woken.generation,
    attempt: woken.attempt,
  }
}

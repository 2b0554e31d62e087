import { AnchorageError } from '../core/errors.ts'
import { idOf, mintId, uuidOf, type OrgId, type PinId } from '../core/ids.ts'
import type { NewPin, Pin, PinStatus, WokenPlacement, Accepted } from '../core/pin.ts'
import type { PinStore } from '../core/ports.ts'
import type { Database } from './database.ts'
import { isBadData } from './errors.ts'
import { listPins, type PageSize } from './list-pins.ts'
import type { ListTurns } from './list-turns.ts'
import { pinColumns, type DetailRow, type KnownNodes, type PinRow } from './pin-rows.ts'
import { acceptedInfo, delegatesOf, pinOf } from './show-pin.ts'
import { fold, mapMeta, toText } from './text.ts'

/** Once this many jobs of one org wait on one node, no more hints are published for it: the node gets to them in turn. */
const maxHints = 256

/** What the store of pins needs beside the database. */
export interface PinTerms {
  knownNodes: KnownNodes
  /** How many nodes are to pin a content when neither its pin nor its org says. */
  replicas: number
  /** How long content that no pin wants any more stays pinned. */
  graceMs: number
  inTurn: ListTurns
  noteNames: (orgId: OrgId) => void
}

export function pinStore(db: Database, terms: PinTerms): PinStore {
  const { knownNodes, graceMs, inTurn, noteNames } = terms
  return {
    async acceptPins(orgId, pins, again) {
      try {
        return await acceptPins(db, orgId, pins, terms, again)
      } catch (error) {
        if (pins.length === 1 || !isBadData(error)) throw error
        return oneByOne(pins, (pin) => acceptPins(db, orgId, [pin], terms, again))
      }
    },
    async replacePin(orgId, old, pin, again) {
      const [outcome] = await acceptPins(db, orgId, [pin], terms, again, old)
      if (!outcome) throw new Error('an accept came back empty')
      if ('error' in outcome) throw outcome.error
      return outcome
    },
    removePin: (orgId, id, actor) =>
      db.org(orgId, async (tx) => {
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
      }),
    async crowded(orgId) {
      const [rows = []] = await db.orgAtOnce(orgId, [
        ['select node_id from org_backlog() where waiting > $1', [maxHints], 'crowded'],
      ])
      return (rows as { node_id: string }[]).map((row) => idOf('nod', row.node_id))
    },
    async getPin(orgId, id) {
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
    },
    listPins(orgId, query, signal) {
      const list = (size: PageSize) => listPins(db, orgId, query, { knownNodes, size, noteNames, signal })
      return inTurn(orgId, query, list, signal)
    },
  }
}

/** For a batch with an item that the database cannot take: accepts each pin separately, so that only that one fails. */
async function oneByOne(pins: NewPin[], accept: (pin: NewPin) => Promise<Accepted[]>): Promise<Accepted[]> {
  const outcomes: Accepted[] = []
  for (const pin of pins) {
    const [outcome] = await accept(pin).catch((error: unknown) => [
      { error: error instanceof Error ? error : new Error(String(error)) },
    ])
    if (outcome) outcomes.push(outcome)
  }
  return outcomes
}

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

/** Accepts `pins` in order. `again`: they may have been accepted before; those are answered from their rows. */
async function acceptPins(
  db: Database,
  orgId: OrgId,
  pins: NewPin[],
  { knownNodes, replicas, graceMs }: PinTerms,
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

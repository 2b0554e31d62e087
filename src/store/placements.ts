import { idOf, uuidOf, type NodeId, type OrgId } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { WokenPlacement } from '../core/pin.ts'
import type { Claim, DuePlacement, Finish, Job, OfferedOrigins, Progress } from '../core/placement.ts'
import type { SystemTx } from './database.ts'

interface ClaimRow {
  cid: string
  generation: number
  state: 'pinning' | 'unpinning'
  attempt: number
  offers: OffersRow
  holders: string[]
  verify: boolean
  age_ms: number
  foreign_pin: boolean
}

/** The answer of `content_origins`; null when the content is not to be pinned, or when no org offers origins. */
type OffersRow = { org: string; origins: string[] }[] | null

/** Claims those of `jobs` that may be claimed now, in input order. Work that only suspended orgs wait for is set aside first (`put_by`). */
export async function claim(
  tx: SystemTx,
  node: NodeIdentity,
  jobs: Pick<Job, 'cid' | 'generation'>[],
  claimMs: number,
): Promise<Claim[]> {
  // the `origins` that `claim_placements` returns are one flat list: it shows that there are some, not which org offers them
  const rows = await tx.query<ClaimRow>(
    `select c.cid, c.generation, c.state, c.attempt, c.holders, c.verify, c.age_ms, c.foreign_pin,
       case when c.state = 'pinning' and c.origins <> '{}' then
         content_origins(c.cid, (select p.org_id from placements p where p.cid = c.cid and p.node_id = $1)) end as offers
     from claim_placements($1, $2, $3, put_by($1, $4)) c`,
    [
      uuidOf(node.nodeId),
      node.incarnation,
      claimMs,
      JSON.stringify(jobs.map(({ cid, generation }) => ({ cid, generation }))),
    ],
  )
  const byCid = new Map(rows.map((row) => [row.cid, row]))
  return jobs.flatMap(({ cid, generation }) => {
    const row = byCid.get(cid)
    return row?.generation === generation ? [claimOf(row)] : []
  })
}

/**
 * Extends claims and records their progress. Returns the CIDs whose intent changed, including those that only suspended orgs still wait
 * for. (`showPinning` then lets their pins show `pinning`.)
 */
export async function extend(
  tx: SystemTx,
  node: NodeIdentity,
  under: (Pick<Claim, 'cid' | 'generation'> & Progress)[],
  claimMs: number,
): Promise<string[]> {
  const rows = await tx.query<{ cid: string }>('select extend_claims($1, $2, $3, put_by($1, $4)) as cid', [
    uuidOf(node.nodeId),
    node.incarnation,
    claimMs,
    JSON.stringify(under.map(({ cid, generation, blocks, bytes }) => ({ cid, generation, blocks, bytes }))),
  ])
  return rows.map((row) => row.cid)
}

/** Updates the status of the pins of `cids` that still show `queued`: work on them has begun. */
export async function showPinning(tx: SystemTx, cids: string[]): Promise<void> {
  await tx.query('select show_pinning($1)', [cids])
}

/** Counts the bytes that have arrived so far of `cids`, which are not pinned yet, for the orgs that want them. */
export async function reserveBytes(tx: SystemTx, cids: string[]): Promise<void> {
  await tx.query('select reserve_bytes($1)', [cids])
}

/** Records outcomes. Returns the placements whose intent changed during the claim that now ends: they can be claimed now. */
export async function finish(
  tx: SystemTx,
  node: NodeIdentity,
  finishes: Finish[],
): Promise<WokenPlacement[]> {
  const rows = await tx.query<{ cid: string; generation: number; attempt: number; org_id: string }>(
    'select * from finish_placements($1, $2, $3)',
    [
      uuidOf(node.nodeId),
      node.incarnation,
      JSON.stringify(finishes.map(({ cid, generation, outcome }) => ({ cid, generation, ...outcome }))),
    ],
  )
  return rows.map((row) => ({
    cid: row.cid,
    generation: row.generation,
    attempt: row.attempt,
    nodeId: node.nodeId,
    orgId: idOf('org', row.org_id),
  }))
}

interface DueRow {
  cid: string
  generation: number
  attempt: number
  org_id: string
  state: 'queued' | 'unpinning'
}

/** A queued placement that is due. An org with nothing due has one row without a placement, which tells only its turn. */
type TurnRow = { again: boolean | null; place: number; org_id: string } & (DueRow | { cid: null })

/**
 * The org at which a node's last read ended: among the orgs with fresh placements, and among those with placements that were tried before.
 */
export interface DuePosition {
  fresh: string
  again: string
}

const start = '00000000-0000-0000-0000-000000000000'
/** One read visits at most this many orgs. */
const orgsMax = 256

/** Before the first read. */
export function firstDue(): DuePosition {
  return { fresh: start, again: start }
}

/**
 * The placements that are due on this node: at most a quarter of `limit` unpins, a quarter retries, and the rest fresh placements, each org
 * in turn. Each read goes on after the org at which the last one ended, and wraps around. So each of n orgs with fresh placements is
 * visited within n/256 reads, or within n/(limit/2) if that is more.
 */
export async function due(
  tx: SystemTx,
  node: NodeIdentity,
  perOrg: number,
  limit: number,
  position: DuePosition,
): Promise<DuePlacement[]> {
  const quarter = Math.ceil(limit / 4)
  // Few enough that the answer has room for each of them.
  const orgs = Math.min(orgsMax, Math.max(limit - 2 * quarter, 1))
  const rows = await tx.query<TurnRow>(
    `select d.*, 0 as place, null as again from due_unpins($1, $6) d
     union all select d.*, true from due_in_turn($1, true, $3, least($7::int, $6), $4, $6) d
     union all select d.*, false from due_in_turn($1, false, $2, $7, $4, $5) d`,
    [uuidOf(node.nodeId), position.fresh, position.again, perOrg, limit, quarter, orgs],
  )
  position.fresh = endOf(rows, false) ?? position.fresh
  position.again = endOf(rows, true) ?? position.again
  return rows
    .filter((row) => row.cid !== null)
    .slice(0, limit)
    .map((row) => dueOf(row, node))
}

function endOf(rows: TurnRow[], again: boolean): string | undefined {
  let last: TurnRow | undefined
  for (const row of rows) if (row.again === again && row.place > (last?.place ?? 0)) last = row
  return last?.org_id
}

/** The unpins that are due on this node, longest due first. */
export async function dueUnpins(tx: SystemTx, node: NodeIdentity, limit: number): Promise<DuePlacement[]> {
  const rows = await tx.query<DueRow>('select * from due_unpins($1, $2)', [uuidOf(node.nodeId), limit])
  return rows.map((row) => dueOf(row, node))
}

/** Multiaddrs offered by the orgs whose pins want `cid`. */
export async function originsOf(tx: SystemTx, cid: string): Promise<OfferedOrigins[]> {
  const [row] = await tx.query<{ offers: OffersRow }>('select content_origins($1, null) as offers', [cid])
  return offersOf(row?.offers ?? null)
}

/** A placement that a query returns to be looked at; `jobOf` makes a job of it. */
export interface JobRow {
  cid: string
  node_id: string
  generation: number
  attempt: number | null
  org_id: string | null
}

export function jobOf(row: JobRow): Job {
  return {
    cid: row.cid,
    nodeId: nodeIdOf(row.node_id),
    orgId: row.org_id === null ? null : orgIdOf(row.org_id),
    generation: row.generation,
    attempt: row.attempt ?? 1,
  }
}

function dueOf(row: DueRow, { nodeId }: NodeIdentity): DuePlacement {
  return {
    cid: row.cid,
    generation: row.generation,
    attempt: row.attempt,
    state: row.state,
    nodeId,
    orgId: row.state === 'queued' ? orgIdOf(row.org_id) : null,
  }
}

function nodeIdOf(uuid: string): NodeId {
  return idOf('nod', uuid)
}

function orgIdOf(uuid: string): OrgId {
  return idOf('org', uuid)
}

function offersOf(row: OffersRow): OfferedOrigins[] {
  return (row ?? []).map(({ org, origins }) => ({ orgId: orgIdOf(org), origins }))
}

function claimOf(row: ClaimRow): Claim {
  return {
    cid: row.cid,
    generation: row.generation,
    work: row.state === 'pinning' ? 'pin' : 'unpin',
    attempt: row.attempt,
    origins: offersOf(row.offers),
    holders: row.holders,
    verify: row.verify,
    ageMs: row.age_ms,
    foreignPin: row.foreign_pin,
  }
}

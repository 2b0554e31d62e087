import { idOf, uuidOf, type NodeId } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { Claim, DuePlacement, Job, OfferedOrigins } from '../core/placement.ts'
import type { PlacementStore } from '../core/ports.ts'
import type { Database, SystemTx } from './database.ts'
import { RetryTurns, type DueRow } from './retry-turns.ts'

export function placementStore(db: Database): PlacementStore {
  const tx = db.statement
  // As a rule there is one node.
  const turnsOf = new Map<NodeId, Turns>()
  return {
    claim: (node, jobs, claimMs) => claim(tx, node, jobs, claimMs),
    // Among the CIDs whose intent changed are those that only suspended orgs still wait for.
    async extend({ nodeId, incarnation }, under, claimMs) {
      const progress = under.map(({ cid, generation, blocks, bytes }) => ({ cid, generation, blocks, bytes }))
      const rows = await tx.query<{ cid: string }>(
        'select extend_claims($1, $2, $3, put_by($1, $4)) as cid',
        [uuidOf(nodeId), incarnation, claimMs, JSON.stringify(progress)],
      )
      // work on these has begun: their pins show `pinning`
      await tx.query('select show_pinning($1)', [under.map(({ cid }) => cid)])
      return rows.map((row) => row.cid)
    },
    async finish({ nodeId, incarnation }, finishes) {
      const outcomes = finishes.map(({ cid, generation, outcome }) => ({ cid, generation, ...outcome }))
      const rows = await tx.query<{ cid: string; generation: number; attempt: number; org_id: string }>(
        'select * from finish_placements($1, $2, $3)',
        [uuidOf(nodeId), incarnation, JSON.stringify(outcomes)],
      )
      const partial = finishes.filter(({ outcome }) => 'bytes' in outcome && outcome.kind !== 'pinned')
      // counts the bytes that have arrived so far, for the orgs that want the content
      if (partial.length > 0) await tx.query('select reserve_bytes($1)', [partial.map(({ cid }) => cid)])
      return rows.map(({ org_id, ...woken }) => ({ ...woken, nodeId, orgId: idOf('org', org_id) }))
    },
    due(node, perOrg, limit, retries) {
      const turns = turnsOf.get(node.nodeId) ?? { fresh: start, retries: new RetryTurns() }
      turnsOf.set(node.nodeId, turns)
      return due(tx, node, { perOrg, limit, retries }, turns)
    },
    async dueUnpins(node, limit) {
      const rows = await tx.query<DueRow>('select * from due_unpins($1, $2)', [uuidOf(node.nodeId), limit])
      return rows.map((row) => dueOf(row, node))
    },
    async origins(cid) {
      const [row] = await tx.query<{ offers: OffersRow }>('select content_origins($1, null) as offers', [cid])
      return offersOf(row?.offers ?? null)
    },
    async lastCopies({ nodeId }, cids) {
      const rows = await tx.query<{ cid: string }>('select last_copies($1, $2) as cid', [
        uuidOf(nodeId),
        cids,
      ])
      return rows.map(({ cid }) => cid)
    },
  }
}

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

/** Work that only suspended orgs wait for is set aside first (`put_by`). */
async function claim(
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

/** A fresh placement. An org with none that is due has one row without a placement, which tells only its turn. */
type TurnRow = { fresh: boolean; place: number; org_id: string } & (DueRow | { cid: null })

/** Where a node's last read ended: the last org with fresh placements that it visited, and the turns of the orgs with retries. */
interface Turns {
  fresh: string
  retries: RetryTurns
}

const start = '00000000-0000-0000-0000-000000000000'
/** One read visits at most this many orgs with fresh placements. */
const orgsMax = 256

/**
 * The placements that are due on this node: at most a quarter of `limit` unpins, a quarter retries (fewer if `retries` says so), and the
 * rest fresh placements, each org in turn. Each read continues after the org at which the last one ended, and wraps around. So each of n
 * orgs with fresh placements is visited within n/256 reads, or within n/(limit/2) if that is more. `RetryTurns` says how long a retry waits.
 */
async function due(
  tx: SystemTx,
  node: NodeIdentity,
  { perOrg, limit, retries }: { perOrg: number; limit: number; retries: number | undefined },
  turns: Turns,
): Promise<DuePlacement[]> {
  const quarter = Math.ceil(limit / 4)
  const again = await turns.retries.read(tx, node, perOrg, Math.min(quarter, retries ?? quarter))
  // Few enough that the answer has room for each of them.
  const orgs = Math.min(orgsMax, Math.max(limit - 2 * quarter, 1))
  const rows = await tx.query<TurnRow>(
    `select d.*, 0 as place, false as fresh from due_unpins($1, $5) d
     union all select d.*, true from due_in_turn($1, false, $2, $6, $3, $4) d`,
    [uuidOf(node.nodeId), turns.fresh, perOrg, limit, quarter, orgs],
  )
  turns.fresh = endOf(rows) ?? turns.fresh
  const found = rows.filter((row) => row.cid !== null)
  const unpins = found.filter((row) => !row.fresh)
  return [...unpins, ...again, ...found.filter((row) => row.fresh)]
    .slice(0, limit)
    .map((row) => dueOf(row, node))
}

function endOf(rows: TurnRow[]): string | undefined {
  let last: TurnRow | undefined
  for (const row of rows) if (row.fresh && row.place > (last?.place ?? 0)) last = row
  return last?.org_id
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
    nodeId: idOf('nod', row.node_id),
    orgId: row.org_id === null ? null : idOf('org', row.org_id),
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
    orgId: row.state === 'queued' ? idOf('org', row.org_id) : null,
  }
}

function offersOf(row: OffersRow): OfferedOrigins[] {
  return (row ?? []).map(({ org, origins }) => ({ orgId: idOf('org', org), origins }))
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

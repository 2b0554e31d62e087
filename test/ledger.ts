import { strict as assert } from 'node:assert'
import pg from 'pg'
import type { Api, WirePin } from './api.ts'
import { until } from './settle.ts'
import type { World } from './world.ts'

/** Every 202 that a test was given: the requestid and the CID that it promised. */
export class Ledger {
  readonly promised = new Map<string, string>()

  /** POSTs until the server says 202, whatever dies meanwhile, and notes the promise; refuses a 4xx. */
  async post(api: Api, pin: WirePin, withinMs = 60_000): Promise<string> {
    const requestid = await until(
      `a 202 for ${pin.cid}`,
      async () => {
        const answer = await api.send('POST', '/pins', { body: pin })
        if (answer.status !== 202 && answer.status < 500 && answer.status !== 429) {
          return { refused: `${answer.status} ${answer.text}` }
        }
        assert.equal(answer.status, 202, answer.text)
        return JSON.parse(answer.text) as { requestid: string }
      },
      { withinMs, everyMs: 100 },
    )
    if ('refused' in requestid) assert.fail(`POST was refused: ${requestid.refused}`)
    this.promised.set(requestid.requestid, pin.cid)
    return requestid.requestid
  }

  forget(requestid: string): void {
    this.promised.delete(requestid)
  }
}

export interface Looking {
  /** How long what is under way may take. */
  withinMs?: number
  /** Nodes that are down: nothing can be asked of them, and copies there count for nothing. */
  without?: readonly number[]
}

/**
 * The invariants that a fault may bend for a while but never break, all looked at from outside:
 * every 202 is listed exactly once and as what it promised, ends `pinned`, stands on as many nodes as it wants and no more, and
 * each Kubo holds exactly the pins of its node's placements.
 * A POST whose answer was lost may stand too; it is held to the same.
 */
export async function checkInvariants(
  world: World,
  ledger: Ledger,
  { withinMs = 60_000, without = [] }: Looking = {},
): Promise<void> {
  const up = world.nodes.filter((n) => !without.includes(n))
  const api = await world.api(up[0])
  await everyPinEndsPinned(world, api, withinMs)
  const listed = await api.all()
  const cidOf = new Map(listed.map((pin) => [pin.requestid, pin.pin.cid]))
  assert.equal(cidOf.size, listed.length, 'a pin is listed twice')
  for (const [requestid, cid] of ledger.promised)
    assert.equal(cidOf.get(requestid), cid, `${requestid} is lost`)
  assert.equal((await api.list({ status: 'pinned', limit: '1' })).count, listed.length, 'the count is off')
  await everyContentStands(world, new Set(cidOf.values()), up, withinMs)
}

async function everyPinEndsPinned(world: World, api: Api, withinMs: number): Promise<void> {
  let waiting: unknown
  try {
    await until(
      'every pin ends pinned',
      async () => {
        const page = await api.list({ status: 'queued,pinning,failed', limit: '3' })
        waiting = page
        return page.count === 0
      },
      { withinMs, everyMs: 200 },
    )
  } catch (cause) {
    throw new Error(`not pinned: ${JSON.stringify(waiting, null, 1)}\n${world.progress()}`, { cause })
  }
}

/** Waits for it, since copies that are too many go after the pins stand. */
async function everyContentStands(
  world: World,
  cids: Set<string>,
  up: number[],
  withinMs: number,
): Promise<void> {
  let wrong: string[] = []
  try {
    await until(
      'every content stands on as many nodes as it wants',
      async () => {
        wrong = await faultsOfPlacement(world, cids, up)
        return wrong.length === 0
      },
      { withinMs, everyMs: 300 },
    )
  } catch (cause) {
    const some = wrong.slice(0, 10).join('\n')
    throw new Error(`${wrong.length} wrong:\n${some}\n${world.progress()}`, { cause })
  }
}

async function faultsOfPlacement(world: World, cids: Set<string>, up: number[]): Promise<string[]> {
  const placed = (await placements(world)).filter(({ n }) => up.includes(n))
  const unsettled = placed.filter(({ state, lost, leaving }) => state !== 'pinned' || lost || leaving)
  const wrong = unsettled.map((placement) => `unsettled: ${JSON.stringify(placement)}`)
  const byCid = Map.groupBy(placed, ({ cid }) => cid)
  for (const cid of cids) {
    const copies = byCid.get(cid) ?? []
    const wanted = copies[0]?.wanted ?? 1
    if (copies.length !== wanted) wrong.push(`${cid} is on ${copies.length} nodes, and wants ${wanted}`)
  }
  for (const n of up) {
    // A pin without a name is Kubo's own: its `init` made it.
    const held = new Map([...(await (await world.kubo(n)).pins())].filter(([, name]) => name !== ''))
    const due = new Set(placed.flatMap((placement) => (placement.n === n ? [placement.cid] : [])))
    for (const cid of due) if (!held.has(cid)) wrong.push(`${cid} is not in the Kubo of node ${n}`)
    for (const cid of held.keys()) if (!due.has(cid)) wrong.push(`the Kubo of node ${n} still pins ${cid}`)
  }
  return wrong
}

/** One row of `placements`, beside what its content wants. */
export interface PlacementRow {
  cid: string
  wanted: number
  /** Which node, from 1. */
  n: number
  state: string
  reason: string
  lost: boolean
  leaving: boolean
}

/** All placements, as Postgres has them. */
export async function placements(world: World): Promise<PlacementRow[]> {
  return rowsOf<PlacementRow>(
    world,
    `select p.cid, c.wanted, substring(n.name from 5)::int as n, p.state, p.reason, p.lost, p.leaving
     from placements p join contents c using (cid) join nodes n on n.id = p.node_id order by p.cid, n.name`,
  )
}

/** What a statement of the system finds. */
export async function rowsOf<R extends pg.QueryResultRow>(world: World, sql: string): Promise<R[]> {
  const client = new pg.Client({ connectionString: await world.value('DATABASE_SYSTEM_URL') })
  await client.connect()
  try {
    return (await client.query<R>(sql)).rows
  } finally {
    await client.end()
  }
}

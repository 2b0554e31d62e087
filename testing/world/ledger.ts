import { strict as assert } from 'node:assert'
import pg from 'pg'
import type { Api, WirePin } from '../clients/api.ts'
import { patience } from '../patience.ts'
import { until } from '../settle.ts'
import type { World } from './world.ts'

/** Records every 202 that a test received: the requestid and its CID. */
export class Ledger {
  readonly promised = new Map<string, string>()

  /** POSTs until the server answers 202, through any failure, and records the pin; throws on a 4xx. */
  async post(api: Api, pin: WirePin): Promise<string> {
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
      { withinMs: patience.longMs, everyMs: 100 },
    )
    if ('refused' in requestid) assert.fail(`POST was refused: ${requestid.refused}`)
    this.promised.set(requestid.requestid, pin.cid)
    return requestid.requestid
  }

  forget(requestid: string): void {
    this.promised.delete(requestid)
  }
}

/** One row of `placements`, with the number of copies that its content wants. */
export interface PlacementRow {
  cid: string
  wanted: number
  /** The number of the node, from 1. */
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

/** The rows of a statement that runs as the system role. */
export async function rowsOf<R extends pg.QueryResultRow>(world: World, sql: string): Promise<R[]> {
  const client = new pg.Client({ connectionString: await world.value('DATABASE_SYSTEM_URL') })
  await client.connect()
  try {
    return (await client.query<R>(sql)).rows
  } finally {
    await client.end()
  }
}

import { strict as assert } from 'node:assert'
import pg from 'pg'
import type { Api, WirePin } from './api.ts'
import { kuboRpc } from './kubo-rpc.ts'
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

/**
 * The invariants that a fault may bend for a while but never break, all looked at from outside:
 * every 202 is listed exactly once and as what it promised, ends `pinned`, has one placement, and Kubo holds the pin.
 * A POST whose answer was lost may stand too; it is held to the same.
 */
export async function checkInvariants(world: World, ledger: Ledger, withinMs = 60_000): Promise<void> {
  const api = await world.api()
  await everyPinEndsPinned(world, api, withinMs)
  const listed = await api.all()
  const cidOf = new Map(listed.map((pin) => [pin.requestid, pin.pin.cid]))
  assert.equal(cidOf.size, listed.length, 'a pin is listed twice')
  for (const [requestid, cid] of ledger.promised)
    assert.equal(cidOf.get(requestid), cid, `${requestid} is lost`)
  assert.equal((await api.list({ status: 'pinned', limit: '1' })).count, listed.length, 'the count is off')
  await everyContentHasOnePlacement(await world.value('DATABASE_SYSTEM_URL'), new Set(cidOf.values()))
  const held = await kuboRpc(await world.value('KUBO_RPC_1')).pins()
  for (const cid of cidOf.values()) assert.ok(held.has(cid), `${cid} is pinned but not in Kubo`)
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
    throw new Error(`not pinned: ${JSON.stringify(waiting, null, 1)}\n${world.output()}`, { cause })
  }
}

async function everyContentHasOnePlacement(databaseUrl: string, cids: Set<string>): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ cid: string; placements: number; states: string[] }>(
      'select cid, count(*)::int as placements, array_agg(state) as states from placements group by cid',
    )
    const placed = new Map(rows.map((row) => [row.cid, row]))
    for (const cid of cids) {
      assert.deepEqual(placed.get(cid), { cid, placements: 1, states: ['pinned'] }, `placements of ${cid}`)
    }
  } finally {
    await client.end()
  }
}

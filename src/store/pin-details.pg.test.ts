import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { testDatabase } from '../../testing/servers/postgres.ts'
import { mintId, uuidOf } from '../core/ids.ts'
import type { NewPin } from '../core/pin.ts'
import { openStore } from './store.ts'
import { silentLog } from '../core/silent-log.ts'

const actor = mintId('tok')

test('the details of a pin cost about as many block reads after its org has grown, with a plan made when it was small', async () => {
  await using database = await testDatabase()
  await using store = openStore({
    ...database,
    log: silentLog,
    knownNodes: { addresses: () => [] },
    unpinGraceMs: 0,
  })
  const node = await store.nodes.boot('node-1')
  const org = (await store.orgDirectory.createOrg('ours', {}, 'operator')).id
  const newPin = (cid: string): NewPin => ({
    id: mintId('pin'),
    cid,
    cidText: cid,
    replicas: 1,
    actor,
    nodes: [node.nodeId],
  })
  const cids = Array.from({ length: 10 }, (_, i) => `first-${i}`)
  await store.pins.acceptPins(org, cids.map(newPin), false)

  const tenant = new pg.Client(database.tenantUrl)
  await tenant.connect()
  await tenant.query(`select set_config('anchorage.org_id', $1, false)`, [uuidOf(org)])
  const blocksRead = async (): Promise<number> => {
    const { rows } = await tenant.query(
      `explain (analyze, buffers, format json) select * from pin_details(array['${cids.join(`','`)}'])`,
    )
    return rows[0]['QUERY PLAN'][0].Plan['Shared Hit Blocks']
  }
  await blocksRead()
  const small = await blocksRead()
  for (let n = 0; n < 40; n++)
    await store.pins.acceptPins(
      org,
      Array.from({ length: 50 }, (_, i) => newPin(`later-${n}-${i}`)),
      false,
    )
  await blocksRead()
  const large = await blocksRead()
  await tenant.end()
  // The tree of an index grows by a level, which is one more block for each look-up.
  assert.ok(large <= small + 3 * cids.length, `${small} blocks, then ${large}`)
})

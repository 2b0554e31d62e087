// A world of its own: rows are written directly to Postgres, and all counts are compared with them.
import { strict as assert } from 'node:assert'
import { suite, test } from 'node:test'
import pg from 'pg'
import { groupSize, seedPins } from '../bench/seed.ts'
import { freshBlocks } from '../testing/content.ts'
import { kuboRpc } from '../testing/clients/kubo-rpc.ts'
import { until } from '../testing/settle.ts'
import { World } from '../testing/world/world.ts'

suite('the pins that the bench seeds by SQL', () => {
  test('look like accepted pins: pages, counts, filters and sums agree, and the next pin fits', async () => {
    await using world = await World.start()
    const dev = await world.api()
    const pins = 3000
    const blocks = await freshBlocks(pins / groupSize)
    await kuboRpc(await world.value('KUBO_RPC_1')).put(blocks)
    for (const block of blocks) await dev.post({ cid: block.cid })
    await until('the content is pinned', async () => (await dev.list()).count === blocks.length)

    const api = await world.newOrg('seeded')
    const [systemUrl, ownerUrl] = [
      await world.value('DATABASE_SYSTEM_URL'),
      await world.value('DATABASE_URL'),
    ]
    await seedPins({ systemUrl, ownerUrl, slug: 'seeded', cids: blocks.map((block) => block.cid), pins })

    const listed = await api.all()
    assert.equal(new Set(listed.map((pin) => pin.requestid)).size, pins)
    assert.equal((await api.list()).count, pins)
    assert.equal((await api.list({ before: listed[499]?.created ?? '' })).count, pins - 500)
    for (const filter of [{ name: 'File-7.bin' }, { cid: blocks[7]?.cid ?? '' }, { meta: '{"group":"7"}' }]) {
      assert.equal((await api.list(filter)).count, groupSize, JSON.stringify(filter))
    }
    assert.equal((await api.list({ name: 'FILE-7.BIN', match: 'iexact' })).count, groupSize)

    const next = await api.post({ cid: blocks[0]?.cid ?? '' })
    assert.equal(next.status, 'pinned')
    assert.ok(next.created > (listed[0]?.created ?? ''))
    await api.remove(listed[10]?.requestid ?? '')
    assert.equal((await api.list()).count, pins)
    await countsAreSums(systemUrl)
  })
})

async function countsAreSums(systemUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: systemUrl })
  await client.connect()
  try {
    const { rows } = await client.query(`
      select * from (
        select org_id, status, level, seq >> bits as bucket, count(*) as n
        from pins, (values (0, 10), (1, 20)) as l (level, bits) group by 1, 2, 3, 4
      ) as real full join (select * from pin_counts where n <> 0) as kept using (org_id, status, level, bucket)
      where real.n is distinct from kept.n`)
    assert.deepEqual(rows, [])
  } finally {
    await client.end()
  }
}

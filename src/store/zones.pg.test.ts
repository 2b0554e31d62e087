import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshBlocks } from '../../testing/content.ts'
import { testStore } from '../../testing/database/test-store.ts'
import { systemClock as clock } from '../app/clock.ts'
import { pressure } from '../core/accept-pressure.ts'
import { mintId } from '../core/ids.ts'
import { pinUseCases } from '../core/pins.ts'
import { silentLog } from '../core/silent-log.ts'
import type { OrgPrincipal } from '../core/token.ts'

const { store, system } = await testStore()

test('the two copies of a content go to two zones', async () => {
  const zones = ['east', 'east', 'east', 'west', null]
  for (const [index, zone] of zones.entries()) {
    const node = await store.nodes.boot(`node-${index}`, zone)
    await store.nodes.see(node, { usedBytes: 0, capacityBytes: 2 ** 40 })
  }
  const nodes = await store.nodes.list()
  const pins = pinUseCases({
    presence: { nodes: () => nodes },
    bus: { publishJobs: async () => {} },
    store: store.pins,
    clock,
    log: silentLog,
    pressure: pressure(clock),
    room: { highWater: 0.9 },
    maxMetaBytes: 16_384,
  })
  const { id: orgId } = await store.orgDirectory.createOrg('ours', { defaultReplicas: 2 }, 'operator')
  const principal: OrgPrincipal = { actor: mintId('tok'), orgId, scopes: new Set(), until: null }
  const blocks = await freshBlocks(30)
  for (const { cid } of blocks) await pins.create(principal, { cid })
  const { rows } = await system.query<{ zones: (string | null)[] }>(
    'select array_agg(n.zone order by n.zone) as zones from placements p join nodes n on n.id = p.node_id group by p.cid',
  )
  assert.equal(rows.length, blocks.length)
  for (const { zones } of rows) assert.equal(new Set(zones).size, 2, `copies in ${zones.join(' and ')}`)
  const used = new Set(rows.flatMap(({ zones }) => zones))
  assert.deepEqual(used, new Set(['east', 'west', null]))
})

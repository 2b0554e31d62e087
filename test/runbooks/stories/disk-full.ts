import { strict as assert } from 'node:assert'
import type { Stage } from '../stage.ts'
import type { Next } from '../walk.ts'

export async function diskFull(at: Stage, next: Next): Promise<void> {
  const { world, machines } = at
  await machines.run(
    2,
    `IPFS_PATH=/var/lib/anchorage-kubo/repo ipfs config Datastore.StorageMax 1KB`,
    'systemctl restart anchorage-kubo',
  )
  await at.sees('the node is full', 2, ({ capacityBytes }) => capacityBytes === 1_000)
  assert.match(await next('admin nodes'), /dev-2 .*\(\d{3,}%\)/)
  assert.match(await next('repo stat'), /StorageMax/)
  await next('StorageMax 200GB')
  await at.sees('the node has room', 2, ({ capacityBytes }) => capacityBytes === 200_000_000_000)
  assert.match(await next('admin orgs'), /\bdev\b/)
  assert.match(await next('pg_total_relation_size'), /placements/)
  const old = await world.pid('node', 3)
  assert.match(await next('rm -rf'), /"status"/)
  await world.restarted('node', old, 3)
  await world.well()
  await at.pinSome(10)
}

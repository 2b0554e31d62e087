import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { openStore } from '../store/store.ts'
import { refuseToLeaveOut } from './nodes.ts'
import { testDatabase } from '../../testing/servers/postgres.ts'
import { silentLog } from '../core/silent-log.ts'

test('a start with fewer nodes is refused, with what to do, while the others may hold content, and is allowed once they are drained', async () => {
  await using database = await testDatabase()
  await using store = openStore({ ...database, log: silentLog })
  const dev = { ...database, name: 'dev', server: null }
  await refuseToLeaveOut(1, dev)
  for (const name of ['dev-1', 'dev-2', 'dev-3', 'elsewhere']) await store.nodes.boot(name)
  await refuseToLeaveOut(3, dev)
  await assert.rejects(refuseToLeaveOut(1, dev), {
    code: 'conflict',
    message: /dev-2 and dev-3 would be left out[^]*--nodes 3[^]*admin drain/,
  })
  const epoch = await nextEpoch(store)
  const [second, third] = (await store.nodes.list()).filter(({ name }) => /^dev-[23]$/.test(name))
  assert.ok(second && third)
  for (const { id } of [second, third]) {
    await store.operator.drain(id, 'operator')
    await store.repair.advanceWalk(epoch, id, null)
  }
  assert.equal((await store.repair.noteDrained(epoch)).length, 2)
  await refuseToLeaveOut(1, dev)
})

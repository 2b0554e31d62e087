import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { jetstreamManager } from '@nats-io/jetstream'
import { until } from '../../testing/settle.ts'
import { mintId } from '../core/ids.ts'
import { silentLog } from '../core/silent-log.ts'
import { testNats } from '../../testing/servers/nats.ts'
import type { Maintenance } from '../core/maintenance.ts'
import { connectNats } from './nats-link.ts'
import { onInvalidation, publishInvalidation, readInvalidation, type Invalidated } from './invalidation.ts'
import {
  clearMaintenance,
  mirrorMaintenance,
  putMaintenance,
  readMaintenance,
  readMaintenanceKey,
  watchMaintenance,
} from './maintenance.ts'
import { bucketStream, invalidationSubject } from './names.ts'

before(async () => {
  await using _ = await testNats(process.env)
})

const maintenance: Maintenance = {
  reason: 'new "disks" 🐢',
  actor: 'operator:ada@host',
  since: new Date('2026-11-23T05:00:00.123Z'),
  until: new Date('2026-11-23T06:00:00Z'),
}

/** Two nodes on one server. */
async function rig() {
  const stack = new AsyncDisposableStack()
  const nats = stack.use(await testNats(process.env))
  const child = await nats.start()
  const join = async () => {
    const options = { url: child.url, nodeId: mintId('nod'), log: silentLog, probeEveryMs: 200 }
    const link = stack.use(connectNats(options))
    await until('JetStream', () => link.trouble() === null)
    return link
  }
  return { child, one: await join(), two: await join(), [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

test('invalidations reach every node in order, their sender included; one that this version cannot read is ignored', async () => {
  await using it = await rig()
  const heard: Invalidated[][] = [[], []]
  const offs = [it.one, it.two].map((link, index) =>
    onInvalidation(link, (change) => heard[index]?.push(change)),
  )
  for (const link of [it.one, it.two]) await link.connection()?.flush()
  const changes: Invalidated[] = [
    { cache: 'nodes', version: 7, key: null },
    { cache: 'tokens', version: 8, key: 'tok_x' },
  ]
  it.two.connection()?.publish(invalidationSubject, '{"v":2,"cache":"nodes","version":1}')
  for (const change of changes) publishInvalidation(it.two, change)
  await until('all', () => heard.every((list) => list.length === 2))
  assert.deepEqual(heard, [changes, changes])
  offs.forEach((off) => off())
})

test('malformed text is read neither as an invalidation nor as maintenance', () => {
  for (const text of [
    '',
    'null',
    '[]',
    '{}',
    '{"v":1}',
    '{"v":1,"cache":"a","version":-1}',
    '{"v":1,"cache":"a","version":1,"key":2}',
  ])
    assert.equal(readInvalidation(text), null, text)
  const written = { v: 1, reason: 'r', actor: 'a', since: '2026-01-01T00:00:00Z', until: null }
  assert.ok(readMaintenance(JSON.stringify(written)))
  for (const wrong of [{ v: 2 }, { since: 'soon' }, { until: 'later' }, { reason: 1 }, { actor: null }])
    assert.equal(readMaintenance(JSON.stringify({ ...written, ...wrong })), null, JSON.stringify(wrong))
})

test('a node that reconnects is notified, so that it can drop entries whose change it may have missed', async () => {
  await using it = await rig()
  let times = 0
  it.one.onConnected(() => (times += 1))
  const { pid } = it.child
  assert.ok(pid !== null)
  process.kill(pid, 'SIGKILL')
  await until('a new connection', () => times > 0)
  await until('invalidations to pass again', async () => {
    let heard = false
    const off = onInvalidation(it.one, () => (heard = true))
    await it.one.connection()?.flush()
    publishInvalidation(it.two, { cache: 'nodes', version: 1, key: null })
    await it.two.connection()?.flush()
    await it.one.connection()?.flush()
    off()
    return heard
  })
})

test('the maintenance key is written, seen by others, read back unchanged, and removed', async () => {
  await using it = await rig()
  let changes = 0
  const off = watchMaintenance(it.one, () => (changes += 1))
  await it.one.connection()?.flush()
  assert.equal(await readMaintenanceKey(it.two), null)
  await putMaintenance(it.two, maintenance)
  await until('the change to be seen', () => changes === 1)
  assert.deepEqual(await readMaintenanceKey(it.one), maintenance)
  await clearMaintenance(it.two)
  await until('the end to be seen', () => changes === 2)
  assert.equal(await readMaintenanceKey(it.one), null)
  off()
})

test('the maintenance key is made to match Postgres, also in a recreated bucket, and is left alone when it matches', async () => {
  await using it = await rig()
  assert.equal(await mirrorMaintenance(it.one, null), false)
  assert.equal(await mirrorMaintenance(it.one, maintenance), true)
  assert.equal(await mirrorMaintenance(it.two, maintenance), false)
  const nc = it.one.connection()
  assert.ok(nc !== null)
  await (await jetstreamManager(nc)).streams.delete(bucketStream)
  it.one.repair()
  await until('the key again', () => mirrorMaintenance(it.one, maintenance))
  assert.deepEqual(await readMaintenanceKey(it.two), maintenance)
  assert.equal(await mirrorMaintenance(it.one, null), true)
  assert.equal(await readMaintenanceKey(it.two), null)
})

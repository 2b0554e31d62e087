import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { startTestKubo } from '../../testing/servers/kubo.ts'
import { testStore } from '../../testing/database/test-store.ts'
import { loadConfig } from '../config/config.ts'
import { isCode } from '../core/errors.ts'
import { uuidOf } from '../core/ids.ts'
import { fakeReport } from '../../testing/fakes/node.ts'
import { freePort } from '../dev/free-port.ts'
import { adoptName } from './adopt.ts'

const { database, store, system } = await testStore()
const { signal } = new AbortController()

before(() => store.nodes.assertReady())

test("a machine takes over a name with its own Kubo once, and not while the node's heartbeats are heard", async () => {
  await using kubo = await startTestKubo()
  const adopt = (name: string, rpc = kubo.rpcUrl) => adoptName(configOf(name, rpc), signal)
  await assert.rejects(adopt('anchor-1'), (e) => isCode(e, 'not_found'))
  const old = await store.nodes.boot('anchor-1')
  const peer = await store.nodes.boot('anchor-2')
  await adopt('anchor-1')
  assert.equal(await store.nodes.peerIdOf('anchor-1'), null, 'a node without a Kubo needs no adoption')
  await store.nodes.bindKubo(old, { peerId: 'old', multiaddrs: [] })
  await assert.rejects(adopt('anchor-1'), (e) => isCode(e, 'conflict') && /anchor-1 wrote/.test(e.message))
  await system.query(`update nodes set last_seen = now() - interval '1 hour' where id = $1`, [
    uuidOf(old.nodeId),
  ])
  const hears = async (heard: Record<string, number>) =>
    await store.nodes.see(peer, { usedBytes: null, capacityBytes: null, report: fakeReport({ heard }) })
  await hears({ [old.nodeId]: 500 })
  await assert.rejects(adopt('anchor-1'), (e) => isCode(e, 'conflict') && /anchor-2 heard/.test(e.message))
  await hears({})
  await assert.rejects(adopt('anchor-1', `http://127.0.0.1:${await freePort()}`), (e) =>
    isCode(e, 'unavailable'),
  )
  await adopt('anchor-1')
  const { ID } = JSON.parse(await kubo.rpc('id'))
  assert.equal(await store.nodes.peerIdOf('anchor-1'), ID)
  const { nodeId } = await store.nodes.boot('anchor-1')
  assert.equal(nodeId, old.nodeId)
  await adopt('anchor-1')
  assert.deepEqual(
    (await store.operator.audit({ limit: 10 })).filter(({ action }) => action === 'node.adopt').length,
    1,
  )
})

function configOf(name: string, rpc: string) {
  const env = {
    ANCHORAGE_DATABASE_URL: database.tenantUrl,
    ANCHORAGE_DATABASE_SYSTEM_URL: database.systemUrl,
    ANCHORAGE_AUTH_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    ANCHORAGE_LOG_LEVEL: 'fatal',
  }
  return loadConfig({ argv: [`--node.name=${name}`, `--kubo.rpc=${rpc}`], env })
}

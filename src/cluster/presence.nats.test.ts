import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { until } from '../../testing/settle.ts'
import { mintId, type NodeId } from '../core/ids.ts'
import type { Node } from '../core/node.ts'
import { silentLog } from '../core/silent-log.ts'
import { recordingLog } from '../../testing/recording-log.ts'
import { testNats } from '../../testing/servers/nats.ts'
import { connectNats } from './nats-link.ts'
import { heartbeatSubject } from './names.ts'
import { startPresence } from './presence.ts'
import { fakeNode } from '../../testing/fakes/node.ts'

before(async () => {
  await using _ = await testNats(process.env)
})

/** Two nodes on one server; Postgres knows both and has seen neither lately. */
async function rig() {
  const stack = new AsyncDisposableStack()
  const nats = stack.use(await testNats(process.env))
  const child = await nats.start()
  const ids = [mintId('nod'), mintId('nod')] as const
  const known: readonly Node[] = ids.map((id, index) =>
    fakeNode({ id, name: `node ${index + 1}`, live: false }),
  )
  const join = async (nodeId: NodeId, incarnation = 1, usedBytes = 0) => {
    const log = recordingLog()
    const link = stack.use(connectNats({ url: child.url, nodeId, log: silentLog, probeEveryMs: 200 }))
    await until('a connection', () => link.connection() !== null)
    const self = () => ({
      nodeId,
      name: 'n',
      incarnation,
      zone: null,
      capacityBytes: 100,
      usedBytes,
      state: 'active' as const,
      acceptMs: null,
    })
    const presence = stack.use(startPresence({ link, self, known: () => known, log }))
    return { link, log, presence, sees: (id: NodeId) => presence.nodes().find((node) => node.id === id) }
  }
  return { child, ids, join, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

test('nodes see one another, and one that falls silent goes down within seconds', async () => {
  await using it = await rig()
  const [here, there] = it.ids
  const one = await it.join(here)
  assert.equal(one.sees(there)?.live, false)
  const two = await it.join(there, 1, 42)
  await until('one to see two', () => one.sees(there)?.live)
  assert.equal(one.sees(there)?.usedBytes, 42)
  await until('two to see one', () => two.sees(here)?.live)
  await two.presence[Symbol.asyncDispose]()
  await until('two to go down', () => one.sees(there)?.live === false)
})

test('heartbeats continue after the server was killed and came back', async () => {
  await using it = await rig()
  const [here, there] = it.ids
  const one = await it.join(here)
  await it.join(there, 1, 1)
  await until('one to see two', () => one.sees(there)?.usedBytes === 1)
  const { pid } = it.child
  assert.ok(pid !== null)
  process.kill(pid, 'SIGKILL')
  await until('another server', () => it.child.pid !== pid && it.child.trouble() === null)
  // A later boot of the same node: its heartbeats arrive only if both ends have reconnected.
  await it.join(there, 2, 2)
  await until('one to hear two again', () => one.sees(there)?.usedBytes === 2)
})

test('heartbeats of an older boot are ignored; malformed ones are ignored and warned about once', async () => {
  await using it = await rig()
  const [here, there] = it.ids
  const one = await it.join(here)
  await it.join(there, 2, 2)
  await until('the younger boot', () => one.sees(there)?.usedBytes === 2)
  const older = await it.join(there, 1, 1)
  const nc = older.link.connection()
  assert.ok(nc !== null)
  nc.publish(heartbeatSubject(there), 'garbage')
  nc.publish(heartbeatSubject(there), '{"v":9}')
  await nc.flush()
  await until('the warning', () => one.log.said.length > 0)
  assert.equal(one.log.said.length, 1)
  assert.equal(one.sees(there)?.usedBytes, 2)
})

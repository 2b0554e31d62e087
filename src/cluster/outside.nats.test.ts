import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { jetstreamManager } from '@nats-io/jetstream'
import { until } from '../../testing/settle.ts'
import { isCode } from '../core/errors.ts'
import { mintId } from '../core/ids.ts'
import { silentLog } from '../core/silent-log.ts'
import { testNats } from '../../testing/servers/nats.ts'
import { connectNats, type NodeNatsLink } from './nats-link.ts'
import { connectOnce } from './connect-once.ts'
import { bucketStream, heartbeatSubject } from './names.ts'

before(async () => {
  await using _ = await testNats(process.env)
})

/** A server that plays an outside NATS, and nodes of several clusters on it. */
async function rig() {
  const stack = new AsyncDisposableStack()
  const nats = stack.use(await testNats(process.env))
  const child = await nats.start()
  const join = (clusterId: string) => {
    const refused: unknown[] = []
    const link: NodeNatsLink = stack.use(
      connectNats({
        url: child.url,
        nodeId: mintId('nod'),
        log: silentLog,
        probeEveryMs: 200,
        clusterId,
        layout: () => ({ replicas: 3, alone: false }),
        onForeign: (error) => refused.push(error),
      }),
    )
    return { link, refused }
  }
  return { child, join, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

test('all nodes of the first cluster use an outside NATS, with as many replicas as it has servers for', async () => {
  await using it = await rig()
  for (const { link } of [it.join('one'), it.join('one')]) {
    await until('JetStream', () => link.trouble() === null)
    const nc = link.connection()
    assert.ok(nc !== null)
    const { config } = await (await jetstreamManager(nc)).streams.info(bucketStream)
    assert.equal(config.num_replicas, 1)
  }
})

test('a node of another cluster is refused, says what to do, and changes nothing in that NATS', async () => {
  await using it = await rig()
  const ours = it.join('one')
  await until('JetStream', () => ours.link.trouble() === null)
  const theirs = it.join('two')
  const [error] = await until('the refusal', () => theirs.refused.length > 0 && theirs.refused)
  assert.ok(isCode(error, 'invalid'))
  assert.match(String(error), /nats\.url.*one.*two.*KV_ANCHORAGE_CLUSTER/s)
  assert.equal(theirs.link.connection(), null)
  assert.match(theirs.link.trouble() ?? '', /another anchorage cluster/)
  await assert.rejects(connectOnce(it.child.url, 'two'), (error) => isCode(error, 'invalid'))
})

test('a NATS of a cluster that is gone can be taken over by deleting its bucket', async () => {
  await using it = await rig()
  const gone = it.join('one')
  await until('JetStream', () => gone.link.trouble() === null)
  await gone.link[Symbol.asyncDispose]()
  const ours = it.join('two')
  await until('the refusal', () => ours.refused.length > 0)
  await using link = await connectOnce(it.child.url)
  const nc = link.connection()
  assert.ok(nc !== null)
  await (await jetstreamManager(nc)).streams.delete(bucketStream)
  await until('ours to be well', () => ours.link.trouble() === null)
  const late = it.join('one')
  await until('the other to be refused', () => late.refused.length > 0)
})

test('a command connects once, its messages arrive before it ends, and it fails at once when no server is there', async () => {
  await using it = await rig()
  const nodeId = mintId('nod')
  const { link } = it.join('one')
  await until('JetStream', () => link.trouble() === null)
  const heard: string[] = []
  link.subscribe(heartbeatSubject(nodeId), (message) => heard.push(message.string()))
  await link.connection()?.flush()
  {
    await using link = await connectOnce(it.child.url, 'one')
    link.connection()?.publish(heartbeatSubject(nodeId), 'here')
  }
  await until('the message', () => heard.includes('here'))
  await it.child[Symbol.asyncDispose]()
  await assert.rejects(connectOnce(it.child.url), (error) => isCode(error, 'unavailable'))
})

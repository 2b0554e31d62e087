import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { patience } from '../../testing/patience.ts'
import { until } from '../../testing/settle.ts'
import { isCode } from '../core/errors.ts'
import { mintId } from '../core/ids.ts'
import { testNatsCluster } from '../../testing/servers/nats-cluster.ts'
import { silentLog } from '../core/silent-log.ts'
import { testNats } from '../../testing/servers/nats.ts'
import { connectNats } from './nats-link.ts'
import { inspectJetStream, inspectServers } from './inspect.ts'

before(async () => {
  await using _ = await testNats(process.env)
})

test('nothing is published while there are no streams; once a node made them, a message is published and acknowledged', async () => {
  await using nats = await testNats(process.env)
  const { url, systemUrl } = await nats.start()
  const empty = await inspectJetStream(url)
  assert.deepEqual([empty.hasStreams, empty.acknowledgedInMs], [false, null])
  await using link = connectNats({ url, nodeId: mintId('nod'), log: silentLog, clusterId: 'one' })
  await until('the streams', () => link.trouble() === null)
  const facts = await inspectJetStream(url, 'one')
  assert.ok(facts.acknowledgedInMs !== null && facts.acknowledgedInMs > 0)
  assert.deepEqual([facts.replicas, facts.offline], [1, 0])
  await assert.rejects(inspectJetStream(url, 'two'), (error) => isCode(error, 'invalid'))
  assert.deepEqual(await inspectServers(systemUrl), { answered: 1, counted: 1, hasLeader: true, lazy: [] })
})

test('all three servers answer; with two of them gone there is no leader', async () => {
  await using seats = await testNatsCluster(process.env, 3)
  const [first, ...others] = await Promise.all(seats.all.map((number) => seats.seat(number).start(seats.all)))
  assert.ok(first !== undefined)
  const whole = await until('a leader', async () => {
    const facts = await inspectServers(first.systemUrl)
    return facts.hasLeader && facts.answered === 3 && facts
  })
  assert.deepEqual(whole, { answered: 3, counted: 3, hasLeader: true, lazy: [] })
  for (const other of others) await other[Symbol.asyncDispose]()
  const alone = await until(
    'the loss is seen',
    async () => {
      const facts = await inspectServers(first.systemUrl)
      return !facts.hasLeader && facts
    },
    { withinMs: patience.longMs },
  )
  assert.deepEqual([alone.answered, alone.counted], [1, 3])
})

test('a server with the default sync setting is reported by name; an account without JetStream is unavailable', async () => {
  await using nats = await testNats(process.env)
  const config = join(nats.dir, 'lazy.conf')
  const systemUrl = `nats://system:x@127.0.0.1:${nats.port}`
  const users = (user: string) => ({ users: [{ user, password: 'x' }] })
  const settings = {
    host: '127.0.0.1',
    port: nats.port,
    server_name: 'lazy',
    system_account: 'SYS',
    accounts: { SYS: users('system'), APP: { ...users('app'), jetstream: 'enabled' }, BARE: users('bare') },
    jetstream: { store_dir: nats.dir },
  }
  await writeFile(config, JSON.stringify(settings))
  const server = spawn(nats.binary, ['-c', config], { stdio: 'ignore' })
  try {
    const { lazy } = await until('it answers', () => inspectServers(systemUrl).catch(() => null))
    assert.deepEqual(lazy, ['lazy'])
    assert.equal((await inspectJetStream(`nats://app:x@127.0.0.1:${nats.port}`)).hasStreams, false)
    await assert.rejects(
      inspectJetStream(`nats://bare:x@127.0.0.1:${nats.port}`),
      /JetStream does not answer/,
    )
  } finally {
    server.kill()
    await once(server, 'exit')
  }
  await assert.rejects(inspectJetStream(systemUrl), (error) => isCode(error, 'unavailable'))
})

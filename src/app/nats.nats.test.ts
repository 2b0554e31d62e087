import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { jetstreamManager } from '@nats-io/jetstream'
import { patience } from '../../testing/patience.ts'
import { until } from '../../testing/settle.ts'
import { makeClusterCa, makeClusterSecret, makeNodeCertificate } from '../cluster/cluster-ca.ts'
import { readMaintenanceKey } from '../cluster/maintenance.ts'
import { bucketStream, jobsStream } from '../cluster/names.ts'
import { isCode } from '../core/errors.ts'
import { freePort } from '../dev/free-port.ts'
import { silentLog } from '../core/silent-log.ts'
import { recordingLog } from '../../testing/recording-log.ts'
import { testNats } from '../../testing/servers/nats.ts'
import { testDatabase } from '../../testing/servers/postgres.ts'
import { openStore } from '../store/store.ts'
import { loadConfig } from '../config/config.ts'
import { joinNats, natsOnce } from './nats.ts'

/** Long enough for two elections of JetStream. */
const elections = { withinMs: patience.longMs }
let binary = ''

before(async () => {
  await using nats = await testNats(process.env)
  binary = nats.binary
})

/** The NATS side of nodes that share a database. */
async function rig(clusterId?: string) {
  const stack = new AsyncDisposableStack()
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-join-'))
  stack.defer(() => rm(dir, { recursive: true, force: true }))
  const database = stack.use(await testDatabase())
  const own = stack.use(openStore({ ...database, log: silentLog }))
  // All test databases are copies of one template, so they have the same cluster id.
  const nodes =
    clusterId === undefined ? own.nodes : { ...own.nodes, clusterId: () => Promise.resolve(clusterId) }
  const store = { ...own, nodes }
  const ca = makeClusterCa()
  const { certificate, key } = makeNodeCertificate(ca, ['127.0.0.1'])
  const files = {
    'ca.pem': ca.certificate,
    'node.pem': certificate,
    'node.key': key,
    secret: makeClusterSecret(),
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text)
  const routes = [
    `--nats.cluster.ca-file=${join(dir, 'ca.pem')}`,
    `--nats.cluster.cert-file=${join(dir, 'node.pem')}`,
    `--nats.cluster.key-file=${join(dir, 'node.key')}`,
    `--nats.cluster.secret-file=${join(dir, 'secret')}`,
  ]
  const node = async (name: string, flags: string[] = [], env: Record<string, string> = {}) => {
    const identity = await store.nodes.boot(name)
    const argv = [
      `--data.dir=${join(dir, name)}`,
      `--nats.client-port=${await freePort()}`,
      `--nats.binary=${binary}`,
      ...flags,
    ]
    const config = loadConfig({ argv, env })
    const own = new AsyncDisposableStack()
    stack.defer(() => own.disposeAsync())
    const log = recordingLog()
    let known = await store.nodes.list()
    const nats = await joinNats(
      {
        config,
        node: identity,
        store,
        log,
        self: () => ({
          ...identity,
          name,
          zone: null,
          capacityBytes: null,
          usedBytes: null,
          state: 'active',
          acceptMs: null,
        }),
        known: () => known,
        onRebuilt: () => {},
      },
      own,
    )
    const look = async () => (known = await store.nodes.list())
    return { ...identity, config, nats, log, look, stop: () => own.disposeAsync() }
  }
  /** A node whose nats-server takes part in a cluster. */
  const member = async (name: string) =>
    node(name, [`--nats.cluster.listen=127.0.0.1:${await freePort()}`, ...routes])
  return { store, node, member, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

type Member = Awaited<ReturnType<Awaited<ReturnType<typeof rig>>['member']>>

const well = ({ nats }: Member) => until('JetStream', () => nats.trouble() === null, elections)

/** Waits until both streams have this many replicas that keep up, as counted by the streams' leaders. */
const replicas = (member: Member, wanted: number) =>
  until(
    `${wanted} replicas`,
    async () => {
      const nc = member.nats.link.connection()
      if (nc === null) return false
      const manager = await jetstreamManager(nc, { checkAPI: false, timeout: 1_000 })
      const infos = await Promise.all([jobsStream, bucketStream].map((name) => manager.streams.info(name)))
      return infos.every(
        ({ config, cluster }) =>
          config.num_replicas === wanted &&
          (cluster?.replicas ?? []).filter(({ current }) => current).length === wanted - 1,
      )
    },
    elections,
  )

async function isAlone({ nats }: Member): Promise<boolean> {
  const nc = nats.link.connection()
  return nc !== null && nc.info?.cluster === undefined
}

test('a cluster grows from one node to three while they run, and shrinks to one again, without help', async () => {
  await using it = await rig()
  const maintenance = await it.store.operator.setMaintenance({ reason: 'growing', ttlMs: null }, 'a test')
  const one = await it.member('one')
  await well(one)
  const two = await it.member('two')
  await until(
    'a cluster of two',
    () => one.nats.link.trouble() === null && two.nats.trouble() === null,
    elections,
  )
  assert.match(one.log.said.join('\n'), /a cluster of two nodes has no NATS while either node is down/)
  const three = await it.member('three')
  for (const member of [one, two, three]) await well(member)
  await replicas(one, 3)
  // The bucket has been created again meanwhile, and the key that it mirrors was not lost.
  await until('the mirrored key', async () => (await readMaintenanceKey(three.nats.link)) !== null, elections)
  assert.deepEqual(await readMaintenanceKey(two.nats.link), maintenance)
  await until('each to hear both others', () =>
    [one, two, three].every(({ nats }) => Object.keys(nats.presence.heard()).length === 2),
  )
  for (const gone of [three, two]) {
    await gone.stop()
    // As `admin forget` does.
    await it.store.nodes.setRoute(gone, null)
  }
  await until(
    'the last one to stand alone',
    async () => one.nats.trouble() === null && (await isAlone(one)),
    elections,
  )
})

test("a command finds the node's own nats-server by the files in the node's data directory", async () => {
  await using it = await rig()
  const one = await it.node('one')
  await well(one)
  await using link = await natsOnce(one.config, await it.store.nodes.clusterId())
  assert.equal(await readMaintenanceKey(link), null)
  const elsewhere = loadConfig({ argv: ['--data.dir=/nowhere'], env: {} })
  await assert.rejects(natsOnce(elsewhere, 'c'), (error) => isCode(error, 'unavailable'))
})

test('a node whose nats-server runs alone beside other nodes reports that', async () => {
  await using it = await rig()
  const one = await it.node('one')
  await well(one)
  await it.store.nodes.boot('two')
  await one.look()
  assert.match(one.nats.trouble() ?? '', /nats\.cluster\.listen/)
})

test("a node that announces another node's route reports that", async () => {
  await using it = await rig()
  const one = await it.member('one')
  const [own] = await it.store.nodes.routes()
  await it.store.nodes.setRoute(await it.store.nodes.boot('two'), own?.route ?? null)
  await until('the trouble', () => /node two announces the same/.test(one.nats.trouble() ?? ''))
})

test('a boot is refused when the outside NATS belongs to another cluster, and continues when the outside NATS is down', async () => {
  await using it = await rig()
  await using theirs = await rig('theirs')
  await using nats = await testNats(process.env)
  const child = await nats.start()
  const outside = { ANCHORAGE_NATS_URL: child.url }
  await well(await theirs.node('one', [], outside))
  await assert.rejects(it.node('one', [], outside), (error) => isCode(error, 'invalid'))
  const port = await freePort()
  const lone = await it.node('one', [`--nats.url=nats://127.0.0.1:${port}`])
  assert.match(lone.nats.trouble() ?? '', /cannot connect/)
})

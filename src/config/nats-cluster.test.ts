import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeClusterCa, makeClusterSecret, makeNodeCertificate } from '../cluster/cluster-ca.ts'
import { isCode } from '../core/errors.ts'
import { silentLog } from '../core/silent-log.ts'
import { recordingLog } from '../../testing/recording-log.ts'
import { loadConfig } from './config.ts'
import { clusterOf, clusterPlace } from './nats-cluster.ts'

test('a node without nats.cluster.listen has no place in a cluster', async () => {
  assert.equal(await clusterPlace(loadConfig({ env: {} }), 'c', silentLog), null)
})

test('a place is what the config says; members are this node and the others, each once and in the same order on all nodes', async () => {
  await using files = await written(['10.0.0.1'])
  const place = await files.place(
    '--nats.cluster.listen=0.0.0.0:6222',
    '--nats.cluster.announce=10.0.0.1:7222',
  )
  assert.ok(place !== null)
  const { members, announce, listen, name, secret } = clusterOf(place, [
    '10.0.0.3:6222',
    '10.0.0.1:7222',
    '10.0.0.2:6222',
  ])
  assert.deepEqual(members, ['10.0.0.1:7222', '10.0.0.2:6222', '10.0.0.3:6222'])
  assert.deepEqual(
    [announce, listen, name],
    ['10.0.0.1:7222', { host: '0.0.0.0', port: 6222 }, 'the-cluster'],
  )
  assert.equal(secret, files.secret)
})

test('without nats.cluster.announce, others reach the listening address, or this host when that is a wildcard', async () => {
  await using files = await written([hostname(), 'fd00::1'])
  assert.equal((await files.place('--nats.cluster.listen=0.0.0.0:6222'))?.seat.announce, `${hostname()}:6222`)
  assert.equal((await files.place('--nats.cluster.listen=[fd00::1]:6222'))?.seat.announce, '[fd00::1]:6222')
})

const refusals: [string, string[], RegExp][] = [
  ['a certificate for another host', ['--nats.cluster.announce=10.0.0.9:6222'], /not for 10\.0\.0\.9/],
  ['no port', ['--nats.cluster.listen=10.0.0.1:0'], /needs a fixed port/],
  ['an outside NATS besides', ['--nats.url=nats://elsewhere:4222'], /nats\.url/],
  ['a file that is not there', ['--nats.cluster.ca-file=/nowhere'], /nats\.cluster\.caFile cannot be read/],
  [
    'a member that is no address',
    ['--nats.cluster.members=10.0.0.1:6222,10.0.0.2'],
    /members: 10\.0\.0\.2: expected host:port/,
  ],
]

for (const [what, flags, words] of refusals) {
  test(`a start is refused with what to change: ${what}`, async () => {
    await using files = await written(['10.0.0.1'])
    await assert.rejects(files.place('--nats.cluster.listen=10.0.0.1:6222', ...flags), (error) => {
      assert.ok(isCode(error, 'invalid'), String(error))
      assert.match(error.message, words)
      return true
    })
  })
}

test("a start is refused with what to change: another node's key, no certificate, no secret or a short one, members and no listen", async () => {
  await using files = await written(['10.0.0.1'])
  await using others = await written(['10.0.0.1'])
  const listen = '--nats.cluster.listen=10.0.0.1:6222'
  await assert.rejects(
    files.place(listen, `--nats.cluster.key-file=${others.path('node.key')}`),
    /is not the key of/,
  )
  await assert.rejects(
    files.place(listen, `--nats.cluster.cert-file=${files.path('node.key')}`),
    /holds no certificate/,
  )
  await assert.rejects(files.place('--nats.cluster.members=a:1,b:2'), /nats\.cluster\.listen is not/)
  const config = loadConfig({ argv: [listen, ...files.flags.slice(0, 3)], env: {} })
  await assert.rejects(clusterPlace(config, 'c', silentLog), /neither nats\.cluster\.secret nor/)
  await writeFile(files.path('short'), 'short')
  await assert.rejects(files.place(listen, `--nats.cluster.secret-file=${files.path('short')}`), /too short/)
})

test('an expired certificate is logged, and the node still serves', async () => {
  await using files = await written(['10.0.0.1'], new Date('2001-01-01'))
  const log = recordingLog()
  assert.ok(await files.place('--nats.cluster.listen=10.0.0.1:6222', log))
  assert.match(log.said.join(), /expired/)
})

/** The files of a node, and its place in the cluster for these files and further flags. */
async function written(hosts: string[], madeAt = new Date()) {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-place-'))
  const path = (name: string): string => join(dir, name)
  const ca = makeClusterCa(madeAt)
  const { certificate, key } = makeNodeCertificate(ca, hosts, madeAt)
  const secret = makeClusterSecret()
  await writeFile(path('ca.pem'), ca.certificate)
  await writeFile(path('node.pem'), certificate)
  await writeFile(path('node.key'), key)
  await writeFile(path('secret'), `${secret}\n`)
  const flags = [
    `--nats.cluster.ca-file=${path('ca.pem')}`,
    `--nats.cluster.cert-file=${path('node.pem')}`,
    `--nats.cluster.key-file=${path('node.key')}`,
    `--nats.cluster.secret-file=${path('secret')}`,
  ]
  return {
    path,
    secret,
    flags,
    place: (...more: (string | typeof silentLog)[]) => {
      const words = more.filter((one) => typeof one === 'string')
      const log = more.find((one) => typeof one !== 'string') ?? silentLog
      return clusterPlace(loadConfig({ argv: [...flags, ...words], env: {} }), 'the-cluster', log)
    },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  }
}

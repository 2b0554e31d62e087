import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startTestKubo, type KuboConfig, type TestKubo } from '../../../testing/servers/kubo.ts'
import { loadConfig } from '../../config/config.ts'
import { testDatabase } from '../../../testing/servers/postgres.ts'
import { silentLog } from '../../core/silent-log.ts'
import { openStore } from '../../store/store.ts'
import type { Finding } from './finding.ts'
import { checkKubo, exposedLook } from './kubo.ts'

const { signal } = new AbortController()
const runbook = await readFile(new URL('../../../docs/operate.md', import.meta.url), 'utf8')
const fences: string[] = JSON.parse(/config --json Swarm\.AddrFilters '([^']+)'/.exec(runbook)?.[1] ?? '[]')

let kubo: TestKubo
before(async () => {
  kubo = await startTestKubo(({ Swarm }) => Object.assign(Swarm ?? {}, { AddrFilters: fences }))
})
after(() => kubo[Symbol.asyncDispose]())

test('a Kubo that is set up by the runbook is ok in every check', async () => {
  const found = await look()
  assert.deepEqual(states(found), { kubo: 'ok', 'kubo rpc': 'ok', 'kubo room': 'ok', 'kubo filters': 'ok' })
  assert.match(of(found, 'kubo').says, /^0\.\d+\.\d+ at http:\/\/127\.0\.0\.1:\d+$/)
})

test('a node that is bound to another Kubo fails, and a node that is bound to this one is ok', async () => {
  await using database = await testDatabase()
  const { tenantUrl, systemUrl } = database
  await using store = openStore({ tenantUrl, systemUrl, log: silentLog })
  const env = { ANCHORAGE_DATABASE_SYSTEM_URL: systemUrl }
  const { ID: peerId }: { ID: string } = JSON.parse(await kubo.rpc('id'))
  for (const [name, bound, state] of [
    ['own', peerId, 'ok'],
    ['other', '12D3KooWOther', 'fail'],
  ] as const) {
    const node = await store.nodes.boot(name)
    await store.nodes.bindKubo(node, { peerId: bound, multiaddrs: [] })
    assert.equal(of(await look({ ...env, ANCHORAGE_NODE_NAME: name }), 'kubo peer').state, state)
  }
})

test('an RPC that answers on another address of this machine fails', async () => {
  const { port } = new URL(kubo.rpcUrl)
  // Represents an address that other machines can reach.
  const address = '127.0.0.2'
  assert.equal((await exposedLook(kubo.rpcUrl, [address], signal)).state, 'ok')
  const API = ['127.0.0.1', address].map((ip) => `/ip4/${ip}/tcp/${port}`)
  await reconfigured({ Addresses: { API } }, async () => {
    const { state, says } = await exposedLook(kubo.rpcUrl, [address], signal)
    assert.deepEqual(
      [state, says],
      ['fail', `anyone who reaches ${address} on port ${port} controls this Kubo`],
    )
  })
})

test('a disk that is too small, a full repository, open fences and HTTP each give a warning', async () => {
  await reconfigured(
    { Datastore: { StorageMax: '900PB' }, Swarm: { AddrFilters: fences.slice(1) } },
    async () => {
      const found = await look()
      assert.match(of(found, 'kubo room').says, /StorageMax is more than the disk has/)
      assert.match(of(found, 'kubo filters').says, /^Kubo dials 10\.0\.0\.0\/8 when/)
    },
  )
  await reconfigured({ Datastore: { StorageMax: '1KB' }, HTTPRetrieval: { Enabled: true } }, async () => {
    const found = await look()
    assert.match(of(found, 'kubo room').says, /above cluster\.highWater/)
    assert.match(of(found, 'kubo filters').says, /^HTTPRetrieval is on/)
  })
})

test('an unreachable Kubo fails, with its address and what to do', async () => {
  await kubo.kill()
  const away = of(await look(), 'kubo')
  await kubo.restart()
  assert.equal(away.state, 'fail')
  assert.match(away.says, /Kubo cannot be reached \(connect ECONNREFUSED 127\.0\.0\.1:\d+\)/)
  assert.match(away.advice ?? '', /kubo\.rpc/)
})

async function look(env: Record<string, string> = {}): Promise<Finding[]> {
  const config = loadConfig({ env: { ANCHORAGE_KUBO_RPC: kubo.rpcUrl, ...env } })
  return await checkKubo({ config, node: null }, signal)
}

/** Runs `work` while the Kubo has `changes` in its config. */
async function reconfigured(changes: KuboConfig, work: () => Promise<void>): Promise<void> {
  const file = join(kubo.dir, 'config')
  const before = await readFile(file, 'utf8')
  const config: KuboConfig = JSON.parse(before)
  for (const [section, values] of Object.entries(changes)) config[section] = { ...config[section], ...values }
  await restarted(file, JSON.stringify(config))
  await work()
  await restarted(file, before)
}

async function restarted(file: string, config: string): Promise<void> {
  await kubo.kill('SIGTERM')
  await writeFile(file, config)
  await kubo.restart()
}

function of(found: Finding[], check: string): Finding {
  return found.find((finding) => finding.check === check) ?? assert.fail(`nothing said of ${check}`)
}

function states(found: Finding[]): Record<string, string> {
  return Object.fromEntries(found.map(({ check, state }) => [check, state]))
}

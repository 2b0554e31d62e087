// A world of its own: processes that must not start are started beside its nodes.
import { strict as assert } from 'node:assert'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { mainFile } from '../../src/dev/node.ts'
import { freePort } from '../../src/dev/free-port.ts'
import { freshBlocks } from '../../testing/content.ts'
import { alive } from '../../testing/world/processes.ts'
import { ownEnvironment } from '../../testing/world/dev-env.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger, rowsOf } from '../../testing/world/ledger.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'
import { World } from '../../testing/world/world.ts'

suite('a node proves what it is before it takes a name', () => {
  let world: World
  let outside: OutsideKubo
  let dir: string
  const ledger = new Ledger()

  before(async () => {
    outside = await startOutsideKubo()
    dir = await mkdtemp(join(tmpdir(), 'anchorage-identity-'))
    world = await World.start({ nodes: 3 })
    await world.well()
    for (const block of await freshBlocks(50)) {
      await outside.rpc.put([block])
      await ledger.post(await world.api(), { cid: block.cid, origins: [outside.address] })
    }
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
    await rm(dir, { recursive: true })
  })

  /** Runs a verb with the config of node 2 on another machine: with other files, ports and another Kubo. */
  async function elsewhere(args: string[], more: Record<string, string> = {}) {
    const env = {
      ...ownEnvironment(),
      ANCHORAGE_CONFIG: await world.value('NODE_CONFIG_2'),
      ANCHORAGE_DATA_DIR: join(dir, 'data'),
      ANCHORAGE_HTTP_LISTEN: `127.0.0.1:${await freePort()}`,
      ANCHORAGE_NATS_CLIENT_PORT: String(await freePort()),
      ANCHORAGE_NATS_CLUSTER_LISTEN: `127.0.0.1:${await freePort()}`,
      ANCHORAGE_KUBO_RPC: outside.rpc.url,
      ...more,
    }
    const child = execFile(process.execPath, [mainFile, ...args], { env })
    let stderr = ''
    child.stderr?.on('data', (text: string) => (stderr += text))
    const [code] = await once(child, 'close')
    return { code, stderr }
  }

  /** The nodes as Postgres has them, without their signs of life. */
  const nodes = () =>
    rowsOf(world, 'select name, incarnation, zone, peer_id, route, folder_id from nodes order by name')

  async function nothingHasChanged(before: unknown[], pids: number[]): Promise<void> {
    assert.deepEqual(await nodes(), before)
    assert.deepEqual(await Promise.all(world.nodes.map((n) => world.pid('node', n))), pids)
    assert.ok(pids.every(alive))
    await world.well()
  }

  const refusals: [what: string, more: () => Promise<Record<string, string>>, code: number, says: RegExp][] =
    [
      [
        'a copy of a config on another machine',
        async () => ({}),
        1,
        /another process runs as the node dev-2/,
      ],
      ['another master key', otherKey, 2, /auth\.masterKey cannot decrypt the signing key/],
      ['a port in use', portInUse, 1, /cannot listen on .* change http\.listen/],
      [
        'another setting than the nodes that run',
        async () => ({ ...fresh, ANCHORAGE_PIN_REPLICAS: '3' }),
        1,
        /pin\.replicas is 3 here/,
      ],
    ]
  for (const [what, more, code, says] of refusals)
    test(`${what}: the start is refused again and again, and no node notices`, async () => {
      const before = await nodes()
      const pids = await Promise.all(world.nodes.map((n) => world.pid('node', n)))
      const env = await more()
      for (let tries = 0; tries < 3; tries++) {
        const refused = await elsewhere(['serve'], env)
        assert.equal(refused.code, code, refused.stderr)
        assert.match(refused.stderr, says)
      }
      await nothingHasChanged(before, pids)
    })

  test('with another master key rotate-key fails, and tokens minted before and after work on every node', async () => {
    const token = await world.mintToken('dev')
    const { code, stderr } = await elsewhere(
      ['admin', 'rotate-key', '--end-tokens', '--yes'],
      await otherKey(),
    )
    assert.notEqual(code, 0)
    assert.match(stderr, /auth\.masterKey cannot decrypt the signing key/)
    for (const bearer of [token, await world.mintToken('dev')])
      for (const n of world.nodes) {
        const headers = { authorization: `Bearer ${bearer}` }
        assert.equal((await fetch(`${(await world.api(n)).url}/pins`, { headers })).status, 200)
      }
  })

  test('a node that was killed is back at once: its own process need not count as gone', async () => {
    await world.restarted('node', await world.kill('node', 2), 2)
    await world.well()
    const waits = (await world.nodeLog(2)).filter(({ msg }) =>
      msg.startsWith('waiting until the last process'),
    )
    assert.deepEqual(waits, [])
    await checkInvariants(world, ledger)
  })

  /** A node that the cluster has not seen. */
  const fresh = { ANCHORAGE_NODE_NAME: 'dev-9' }

  async function otherKey(): Promise<Record<string, string>> {
    const file = join(dir, 'other.key')
    await writeFile(file, randomBytes(32).toString('base64'), { mode: 0o600 })
    return { ...fresh, ANCHORAGE_AUTH_MASTER_KEY_FILE: file }
  }

  async function portInUse(): Promise<Record<string, string>> {
    const taken = createServer().listen(0, '127.0.0.1').unref()
    await once(taken, 'listening')
    const address = taken.address()
    const port = typeof address === 'object' ? address?.port : ''
    return { ...fresh, ANCHORAGE_HTTP_LISTEN: `127.0.0.1:${port}` }
  }
})

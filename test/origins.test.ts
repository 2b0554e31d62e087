// A world of its own: its Kubo has none of the 64 MiB, and no other traffic uses the connection that is measured.
import { strict as assert } from 'node:assert'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { base58btc } from 'multiformats/bases/base58'
import { freshBlocks } from '../testing/content.ts'
import { kuboRpc } from '../testing/clients/kubo-rpc.ts'
import { startOutsideKubo, type OutsideKubo } from './outside-kubo.ts'
import { startRelay, type Relay } from './relay.ts'
import { until } from '../testing/settle.ts'
import { World } from '../testing/world/world.ts'

const mebibyte = 1 << 20

suite('64 MiB from another Kubo through a relay of 4 MiB/s', () => {
  let world: World
  let outside: OutsideKubo
  let relay: Relay
  let cid: string
  let origin: string

  before(async () => {
    outside = await startOutsideKubo()
    relay = await startRelay(Number(/\/tcp\/(\d+)/.exec(outside.address)?.[1]), 4 * mebibyte)
    origin = outside.address.replace(/\/tcp\/\d+/, `/tcp/${relay.port}`)
    cid = await outside.rpc.add(Uint8Array.from(randomBytes(64 * mebibyte)))
    world = await World.start()
  })

  after(async () => {
    await world[Symbol.asyncDispose]()
    await relay[Symbol.asyncDispose]()
    await outside[Symbol.asyncDispose]()
  })

  test('info shows the progress in blocks and bytes, and DELETE in the middle makes Kubo stop fetching', async () => {
    const api = await world.api()
    const kubo = kuboRpc(await world.value('KUBO_RPC_1'))
    const pin = await api.post({ cid, origins: [origin] })
    const seen: { blocks: number; bytes: number }[] = []
    await until('progress was seen five times', async () => {
      const { status, info = {} } = await api.get(pin.requestid)
      const now = { blocks: Number(info.blocks ?? 0), bytes: Number(info.bytes ?? 0) }
      assert.notEqual(status, 'pinned')
      const last = seen.at(-1) ?? { blocks: 0, bytes: 0 }
      if (now.blocks > last.blocks && now.bytes > last.bytes) seen.push(now)
      return seen.length >= 5
    })
    assert.ok((seen.at(-1)?.bytes ?? 0) < 64 * mebibyte)
    await api.remove(pin.requestid)
    await until('Kubo wants no block', async () => !(await kubo.call('bitswap/wantlist')).includes('/'))
    await until('nothing comes through the relay any more', async () => {
      const before = relay.received()
      await sleep(2_000)
      return relay.received() - before < mebibyte / 16
    })
    assert.ok(relay.received() < 64 * mebibyte, 'it was fetched to the end')
  })

  test('a second request for it runs to the end, and shows the size of the DAG', async () => {
    const api = await world.api()
    const { requestid } = await api.post({ cid, origins: [origin] })
    const pin = await until(
      'it is pinned',
      async () => {
        const now = await api.get(requestid)
        return now.status === 'pinned' && now
      },
      { everyMs: 250 },
    )
    const size = Number(pin.info?.dag_size)
    assert.ok(size >= 64 * mebibyte && size < 65 * mebibyte, `dag_size ${pin.info?.dag_size}`)
  })

  test('a good origin is found at once, although another org asked first with 80 dead origins for the same content', async () => {
    await using silence = await startSilence(80)
    const kubo = kuboRpc(await world.value('KUBO_RPC_1'))
    const [block = assert.fail()] = await freshBlocks(1)
    await outside.rpc.put([block])
    await kubo.call('swarm/disconnect', [['arg', `/p2p/${outside.address.split('/p2p/')[1]}`]])
    const theirs = await world.newOrg('theirs')
    for (let at = 0; at < 80; at += 20)
      await theirs.post({ cid: block.cid, origins: silence.origins.slice(at, at + 20) })
    await until('the dead ones are dialled', () => silence.dialled() > 0)
    const api = await world.api()
    const { requestid } = await api.post({ cid: block.cid, origins: [outside.address] })
    // sooner than an attempt would stall: within the attempt that the dead ones began
    await until('it is pinned', async () => (await api.get(requestid)).status === 'pinned')
    assert.ok(silence.dialled() <= 20)
  })
})

/** Peers that accept connections and send nothing, so that a client that dials them waits. */
async function startSilence(count: number) {
  const dialled = new Set<Socket>()
  const servers: Server[] = []
  const origins: string[] = []
  for (let n = 0; n < count; n++) {
    const server = createServer((socket) => void dialled.add(socket.on('error', () => {}))).listen(
      0,
      '127.0.0.1',
    )
    await once(server, 'listening')
    servers.push(server)
    const key = Buffer.concat([Buffer.from([0x00, 36, 0x08, 0x01, 0x12, 32]), randomBytes(32)])
    origins.push(
      `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}/p2p/${base58btc.baseEncode(key)}`,
    )
  }
  return {
    origins,
    dialled: () => dialled.size,
    async [Symbol.asyncDispose]() {
      for (const server of servers) server.close()
      for (const socket of dialled) socket.destroy()
    },
  }
}

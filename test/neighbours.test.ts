// A world of its own: one org causes as much load as it can, and the process, its memory and its log are checked.
import { strict as assert } from 'node:assert'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { bodyOf, type Api, type WirePage } from '../testing/clients/api.ts'
import { freshBlocks, lostCid, type Block } from '../testing/content.ts'
import { kuboRpc, type KuboRpc } from '../testing/clients/kubo-rpc.ts'
import { requestText } from './raw-http.ts'
import { eachInFlight, until } from '../testing/settle.ts'
import { World } from '../testing/world/world.ts'

const mebibyte = 1 << 20
/** The most memory that a node may ever use, MiB. */
const mostMemory = 512

suite('one org causes as much load as it can, and another only becomes slower', () => {
  let world: World
  let kubo: KuboRpc
  let loud: Api
  let quiet: Api
  let pid: number
  const blocks: Block[] = []

  before(async () => {
    world = await World.start({ env: { ANCHORAGE_LOG_LEVEL: 'debug' } })
    kubo = kuboRpc(await world.value('KUBO_RPC_1'))
    loud = await world.newOrg('loud')
    quiet = await world.newOrg('quiet')
    pid = await world.pid('node')
    blocks.push(...(await freshBlocks(40)))
    await kubo.put(blocks)
    const large = { blob: '\u0001'.repeat(16_000) }
    await eachInFlight(Array.from({ length: 150 }), 16, async () =>
      loud.post({ cid: await lostCid(), name: 'loud', meta: large }),
    )
  })
  after(() => world[Symbol.asyncDispose]())

  /** Runs `harm` while the other org pins, waits, lists and removes; every request of that org must succeed. */
  async function beside(harm: () => Promise<unknown>): Promise<void> {
    let over = false
    const harming = harm().finally(() => (over = true))
    do {
      const block = blocks.shift() ?? assert.fail('there is more content to pin')
      const { requestid } = await quiet.post({ cid: block.cid, name: 'quiet' })
      await until('it is pinned', async () => (await quiet.get(requestid)).status === 'pinned')
      const { count } = await quiet.list({ name: 'quiet' })
      assert.ok(count >= 1)
      await quiet.remove(requestid)
    } while (!over && blocks.length > 20)
    await harming
    const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
    assert.ok(peak < mostMemory, `the node has used ${peak} MiB`)
    assert.equal(await world.pid('node'), pid, 'the node has not been restarted')
  }

  const times = <T>(count: number, work: (n: number) => Promise<T>) =>
    Promise.all(Array.from({ length: count }, (_, n) => work(n)))
  const status = async (asked: Promise<{ status: number }>) => (await asked).status
  const search = (filters: Record<string, string>) =>
    `/pins?${new URLSearchParams({ status: 'queued,pinning,pinned,failed', ...filters })}`

  test('lists of all its pins, with the largest meta that a pin may have', async () => {
    await beside(async () => {
      const pages = await times(16, async () =>
        bodyOf<WirePage>(await loud.send('GET', search({ limit: '1000' })), 200),
      )
      for (const { count, results } of pages)
        assert.ok(count === 150 && results.length < 150 && results.length >= 20)
    })
    assert.equal(
      await status(
        loud.send('POST', '/pins', { body: { cid: await lostCid(), meta: { blob: 'x'.repeat(16_385) } } }),
      ),
      400,
    )
  })

  test('answers that it never reads', async () => {
    const { hostname, port, pathname } = new URL(loud.url)
    const sockets: Socket[] = []
    await beside(async () => {
      for (let n = 0; n < 60; n++) {
        const socket = connect({ host: hostname, port: Number(port) })
        sockets.push(socket.on('error', () => {}))
        socket.write(requestText('GET', `${pathname}${search({ limit: '1000' })}`, loud.token))
      }
      await until('the node has begun to answer', () => sockets.some((socket) => socket.readableLength > 0))
    })
    for (const socket of sockets) socket.destroy()
  })

  test('filters by everything that can be filtered by', async () => {
    const pairs = (n: number) =>
      JSON.stringify(Object.fromEntries(Array.from({ length: n }, (_, i) => [`key ${i}`, 'x'])))
    await beside(async () => {
      const statuses = await times(100, (n) =>
        status(
          loud.send(
            'GET',
            search(
              n % 2 === 0 ? { limit: '1', meta: pairs(10) } : { limit: '1', name: 'o', match: 'partial' },
            ),
          ),
        ),
      )
      assert.deepEqual([...new Set(statuses)], [200])
    })
    assert.equal(await status(loud.send('GET', search({ meta: pairs(11) }))), 400)
  })

  test('bodies that are refused, and request lines that are hard to parse', async () => {
    const body = JSON.stringify({ cid: 'x', name: 'x'.repeat(mebibyte / 4 - 100) })
    const words = `/health?${'eyJ-'.repeat(25_000)}`
    await beside(async () => {
      const [bodies, lines] = await Promise.all([
        times(64, () => status(loud.send('POST', '/pins', { body }))),
        times(16, () => status(loud.send('GET', words))),
      ])
      assert.deepEqual([...new Set(bodies)], [400])
      assert.deepEqual([...new Set(lines)], [200])
    })
  })

  test('one pin, replaced repeatedly, that wants a hundred copies', async () => {
    const before = (await kubo.pins()).size
    await beside(async () => {
      const own = await freshBlocks(40)
      await kubo.put(own)
      let [last] = [await loud.post({ cid: own[0]?.cid ?? '', meta: { 'anchorage.replicas': '100' } })]
      for (const { cid } of own.slice(1))
        last = await loud.replace(last.requestid, { cid, meta: { 'anchorage.replicas': '100' } })
      await until(
        'it is pinned on the node that there is',
        async () => (await loud.get(last.requestid)).status === 'pinned',
      )
      await loud.remove(last.requestid)
    })
    assert.ok((await kubo.pins()).size < before + 40)
  })

  test('forged cookies and tokens', async () => {
    await beside(async () => {
      const statuses = await times(600, (n) =>
        status(
          fetch(`${loud.url}/pins`, {
            headers:
              n % 2 === 0
                ? { cookie: `__Host-anchorage=${randomBytes(49).toString('base64url').slice(0, 65)}` }
                : { authorization: `Bearer ${randomBytes(40).toString('base64url')}` },
          }),
        ),
      )
      assert.deepEqual(
        [...new Set(statuses)].toSorted((a, b) => a - b),
        [401, 429],
      )
    })
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClock } from '../../testing/fakes/clock.ts'
import { fakeParts } from '../../testing/fakes/http-server.ts'
import { loadConfig } from '../config/config.ts'
import { isCode } from '../core/errors.ts'
import { freePort } from '../dev/free-port.ts'
import { takePorts } from './early-ports.ts'
import { listen } from './listen.ts'

/** Leaves no idle connection, for which a server that closes would wait. */
const get = (url: string, headers: Record<string, string> = {}) =>
  fetch(url, { headers: { ...headers, connection: 'close' } })

const at = (extra: Record<string, string> = {}) =>
  loadConfig({ env: { ANCHORAGE_HTTP_LISTEN: '127.0.0.1:0', ...extra } })

async function served(config: ReturnType<typeof at>, undo: AsyncDisposableStack, clock = fakeClock()) {
  return await listen(await takePorts(config, undo), undo, fakeParts(), clock)
}

test('metrics are served with the API, or only on a listener of their own', async () => {
  const port = await freePort()
  {
    await using undo = new AsyncDisposableStack()
    const { url } = await served(at(), undo)
    assert.equal((await get(`${url}/metrics`)).status, 200)
  }
  await using undo = new AsyncDisposableStack()
  const apart = at({ ANCHORAGE_METRICS_LISTEN: `127.0.0.1:${port}` })
  const { url } = await served(apart, undo)
  assert.equal((await get(`${url}/metrics`)).status, 404)
  assert.equal((await get(`${url}/v1/health`)).status, 200)
  assert.equal((await get(`http://127.0.0.1:${port}/metrics`)).status, 200)
  assert.equal((await get(`http://127.0.0.1:${port}/v1/health`)).status, 404)
  await assert.rejects(
    takePorts(apart, undo),
    (error) => isCode(error, 'unavailable') && /metrics\.listen/.test(error.message),
  )
})

test('a node that has its port but cannot serve yet answers that it is starting', async () => {
  const port = await freePort()
  await using undo = new AsyncDisposableStack()
  const ports = await takePorts(at({ ANCHORAGE_HTTP_LISTEN: `127.0.0.1:${port}` }), undo)
  for (const path of ['/v1/health', '/v1/ready', '/v1/pins']) {
    const answer = await get(`http://127.0.0.1:${port}${path}`)
    assert.equal(answer.status, 503)
    assert.match(await answer.text(), /"details":"this node is starting; try again"/)
  }
  const { url } = await listen(ports, undo, fakeParts(), fakeClock())
  assert.equal((await get(`${url}/v1/ready`)).status, 200)
})

test('a start that fails leaves its ports free', async () => {
  const port = await freePort()
  const config = at({ ANCHORAGE_HTTP_LISTEN: `127.0.0.1:${port}` })
  {
    await using undo = new AsyncDisposableStack()
    await takePorts(config, undo)
  }
  await using undo = new AsyncDisposableStack()
  await takePorts(config, undo)
})

test('a node that stops is not ready at once, serves on for its delay, and then closes its port', async () => {
  const clock = fakeClock()
  const undo = new AsyncDisposableStack()
  const { url, stopSoon } = await served(at(), undo, clock)
  undo.defer(() => stopSoon(5_000))
  const stopped = undo.disposeAsync()
  const ready = async () => (await get(`${url}/v1/ready`)).status
  assert.equal(await ready(), 503)
  await clock.pass(4_999)
  assert.equal(await ready(), 503)
  assert.equal((await get(`${url}/v1/health`)).status, 200)
  const pins = await get(`${url}/v1/pins`, { authorization: 'Bearer all' })
  assert.equal(pins.status, 200)
  await clock.pass(1)
  await stopped
  await assert.rejects(ready())
})

test('a node without a delay closes its port at once', async () => {
  const undo = new AsyncDisposableStack()
  const { url, stopSoon } = await served(at(), undo)
  undo.defer(() => stopSoon(0))
  await undo.disposeAsync()
  await assert.rejects(get(`${url}/v1/ready`))
})

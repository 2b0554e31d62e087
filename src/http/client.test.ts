import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { AnchorageError, isCode } from '../core/errors.ts'
import { PinServiceError, pinClient } from './client.ts'
import { cid, fakeServer, peer, verifyFake } from '../../testing/fakes/http-server.ts'

async function rig(t: TestContext, token = 'all') {
  const server = fakeServer()
  const base = await server.app.listen({ port: 0, host: '127.0.0.1' })
  t.after(() => server.app.close())
  return { ...server, client: pinClient({ url: `${base}/v1/`, token }) }
}

const refused = (code: AnchorageError['code'], status: number, reason: string) => (error: unknown) =>
  error instanceof PinServiceError &&
  isCode(error, code) &&
  error.status === status &&
  error.reason === reason

test('a pin is added, read, listed, replaced and removed', async (t) => {
  const { client } = await rig(t)
  const request = { cid, name: 'a b&c', meta: { 'k=&': 'v' }, origins: [peer] }
  const pin = await client.add(request)
  assert.deepEqual(pin.pin, request)
  assert.deepEqual(await client.get(pin.requestid), pin)
  assert.deepEqual(await client.list(), { count: 1, results: [pin] })
  const next = await client.replace(pin.requestid, { cid })
  await assert.rejects(client.get(pin.requestid), refused('not_found', 404, 'NOT_FOUND'))
  await client.remove(next.requestid)
  await assert.rejects(client.remove(next.requestid), refused('not_found', 404, 'NOT_FOUND'))
})

test('filters arrive unchanged', async (t) => {
  const { client, pins } = await rig(t)
  const before = '2026-01-31T12:00:00.5Z'
  await client.list({
    cid: [cid],
    name: 'a&b+ c',
    match: 'ipartial',
    status: ['queued', 'failed'],
    before,
    after: before,
    meta: { 'a"': '📌' },
    limit: 7,
  })
  const ms = Date.UTC(2026, 0, 31, 12) + 500
  assert.deepEqual(pins.calls[0]?.arguments[1], {
    limit: 7,
    cids: [cid],
    name: 'a&b+ c',
    match: 'ipartial',
    statuses: ['queued', 'failed'],
    before: ms,
    after: ms,
    meta: { 'a"': '📌' },
  })
})

test('all() lists every page, in every status', async (t) => {
  const { client, pins } = await rig(t)
  const principal = await verifyFake('all')
  for (let i = 0; i < 2500; i += 1) await pins.create(principal, { cid, name: String(i) })
  const names: unknown[] = []
  for await (const { pin } of client.all()) names.push(pin.name)
  assert.deepEqual(
    names,
    Array.from({ length: 2500 }, (_, i) => String(2499 - i)),
  )
  const lists = pins.calls.filter(({ name }) => name === 'list').map((call) => call.arguments[1])
  assert.equal(lists.length, 3)
  assert.ok(JSON.stringify(lists[0]).includes('"failed"'))
})

test('a refusal carries code, status, reason and details', async (t) => {
  const { client, pins } = await rig(t)
  await assert.rejects(
    client.add({ cid: 'x' }),
    (error) => refused('invalid', 400, 'BAD_REQUEST')(error) && /not a CID/.test(String(error)),
  )
  const codes = ['forbidden', 'over_quota', 'conflict', 'too_many', 'unavailable', 'internal'] as const
  for (const code of codes) {
    pins.create = () => Promise.reject(new AnchorageError(code, 'why', { retryAfterSeconds: 9 }))
    await assert.rejects(client.add({ cid }), (error) => {
      assert.ok(isCode(error, code), code)
      assert.equal(error.retryAfterSeconds, code === 'too_many' || code === 'unavailable' ? 9 : undefined)
      return true
    })
  }
  const { client: stranger } = await rig(t, 'nonsense')
  await assert.rejects(stranger.list(), refused('unauthenticated', 401, 'UNAUTHORIZED'))
})

test('a service that is down or sends no JSON is unavailable, and an aborted call rejects with the reason', async (t) => {
  const away = pinClient({ url: 'http://127.0.0.1:1', token: 'x' })
  await assert.rejects(away.list(), refused('unavailable', 0, 'UNREACHABLE'))

  const proxy = createServer((request, response) => {
    response
      .writeHead(request.method === 'POST' ? 502 : 200, { 'content-type': 'text/html' })
      .end('<h1>hello</h1>')
  })
  t.after(() => proxy.close())
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  const { port } = proxy.address() as AddressInfo
  const client = pinClient({ url: `http://127.0.0.1:${port}`, token: 'x' })
  await assert.rejects(client.add({ cid }), refused('unavailable', 502, 'HTTP_502'))
  await assert.rejects(client.get('x'), refused('unavailable', 0, 'UNREACHABLE'))

  const reason = new Error('enough')
  await assert.rejects(client.list({}, AbortSignal.abort(reason)), (error) => error === reason)
})

import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { test } from 'node:test'
import type { RequestHead } from '../core/tracing.ts'
import { fakePins, fakeServer } from '../../testing/fakes/http-server.ts'

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

/** A server that records what its trace is told, and within which traced request a pin is made. */
function traced() {
  const told: (RequestHead | string)[] = []
  const within = new AsyncLocalStorage<string>()
  const pins = fakePins()
  const { app } = fakeServer({
    pins: {
      ...pins,
      create(...of) {
        told.push(`made within ${within.getStore()}`)
        return pins.create(...of)
      },
    },
    trace(head) {
      told.push(head)
      return {
        run: (work) => within.run(head.requestId, work),
        end: (status) => told.push(`${head.requestId} ${status}`),
      }
    },
  })
  return { app, told }
}

test('a request is traced from its route to its answer, and handled within its trace', async () => {
  const { app, told } = traced()
  const headers = { authorization: 'Bearer all', 'x-request-id': 'r-1', traceparent }
  const payload = { cid: 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku' }
  await app.inject({ method: 'POST', url: '/v1/pins', headers, payload })
  await app.inject({ method: 'POST', url: '/v1/pins/secret', headers: { 'x-request-id': 'r-2' }, payload })
  await app.close()
  assert.deepEqual(told, [
    { method: 'POST', route: '/v1/pins', requestId: 'r-1', traceparent },
    'made within r-1',
    'r-1 202',
    { method: 'POST', route: '/v1/pins/:requestid', requestId: 'r-2', traceparent: undefined },
    'r-2 401',
  ])
})

test('probes, scrapes and requests without a route are not traced', async () => {
  const { app, told } = traced()
  for (const url of ['/v1/health', '/v1/ready', '/metrics', '/nothing', '/v1/pins/%zz'])
    await app.inject({ url })
  await app.close()
  assert.deepEqual(told, [])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCode } from '../core/errors.ts'
import { freePort } from '../dev/free-port.ts'
import { fakeParts } from '../../testing/fakes/http-server.ts'
import { loadConfig } from '../config/config.ts'
import { listen } from './listen.ts'

test('metrics are served with the API, or only on a listener of their own', async () => {
  const port = await freePort()
  const at = (extra: Record<string, string>) =>
    loadConfig({ env: { ANCHORAGE_HTTP_LISTEN: '127.0.0.1:0', ...extra } })
  {
    await using undo = new AsyncDisposableStack()
    const url = await listen(at({}), undo, fakeParts())
    assert.equal((await fetch(`${url}/metrics`)).status, 200)
  }
  await using undo = new AsyncDisposableStack()
  const apart = at({ ANCHORAGE_METRICS_LISTEN: `127.0.0.1:${port}` })
  const url = await listen(apart, undo, fakeParts())
  assert.equal((await fetch(`${url}/metrics`)).status, 404)
  assert.equal((await fetch(`${url}/v1/health`)).status, 200)
  assert.equal((await fetch(`http://127.0.0.1:${port}/metrics`)).status, 200)
  assert.equal((await fetch(`http://127.0.0.1:${port}/v1/health`)).status, 404)
  await assert.rejects(
    listen(apart, undo, fakeParts()),
    (error) => isCode(error, 'unavailable') && /metrics\.listen/.test(error.message),
  )
})

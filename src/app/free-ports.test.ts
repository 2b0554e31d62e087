import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { loadConfig } from '../config/config.ts'
import { isCode } from '../core/errors.ts'
import { assertNatsPortsFree } from './free-ports.ts'

test("a node whose nats-server's port is in use is refused with the option to change", async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const port = String(typeof address === 'object' ? address?.port : '')
  const at = (env: Record<string, string>) =>
    assertNatsPortsFree(loadConfig({ env: { ANCHORAGE_NATS_CLIENT_PORT: '0', ...env } }))
  try {
    for (const [env, option] of [
      [{ ANCHORAGE_NATS_CLIENT_PORT: port }, /change nats\.clientPort: EADDRINUSE/],
      [{ ANCHORAGE_NATS_CLUSTER_LISTEN: `127.0.0.1:${port}` }, /change nats\.cluster\.listen: EADDRINUSE/],
    ] as const)
      await assert.rejects(at(env), (error) => isCode(error, 'unavailable') && option.test(error.message))
  } finally {
    taken.close()
  }
  await at({})
})

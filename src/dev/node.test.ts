import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '../config/config.ts'
import { withoutVariablesOf, writeNodeConfig } from './node.ts'

test('a generated config is private, and anchorage reads it back as it was meant', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-node-'))
  const file = await writeNodeConfig(dir, {
    'node.name': 'dev: 1 #',
    'http.listen': '127.0.0.1:8081',
    'database.url': 'postgres://anchorage_tenant:p%40@127.0.0.1:5432/anchorage',
    'nats.clientPort': 4333,
    'nats.restartAfter': '0ms',
    'pin.allowPrivateOrigins': true,
  })
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  const config = loadConfig({ argv: ['--config', file], env: {} })
  assert.equal(config.node.name, 'dev: 1 #')
  assert.deepEqual(config.http.listen, { host: '127.0.0.1', port: 8081 })
  assert.equal(config.database.url?.reveal(), 'postgres://anchorage_tenant:p%40@127.0.0.1:5432/anchorage')
  assert.equal(config.nats.clientPort, 4333)
  assert.equal(config.nats.restartAfter, 0)
  assert.equal(config.pin.allowPrivateOrigins, true)
  await rm(dir, { recursive: true })
})

test('a node gets all of the environment except what would lead it to other servers', () => {
  const env = {
    PATH: '/bin',
    ANCHORAGE_HTTP_LISTEN: '0.0.0.0:1',
    ANCHORAGE_DATABASE_URL: 'postgres://elsewhere',
    ANCHORAGE_CONFIG: '/elsewhere.yaml',
    ANCHORAGE_TOKEN: 'secret',
    ANCHORAGE_PIN_MAX_AGE: '1m',
  }
  const settings = { 'http.listen': '127.0.0.1:8080', 'database.url': 'postgres://here' }
  assert.deepEqual(withoutVariablesOf(settings, env), { PATH: '/bin', ANCHORAGE_PIN_MAX_AGE: '1m' })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCode } from '../core/errors.ts'
import { devDatabase, type DatabaseOptions } from './database.ts'

test('a Postgres of DATABASE_URL on another host is used over TLS only, unless plaintext is allowed', async () => {
  const dir = { state: { passwords: { owner: 'o', tenant: 't', system: 's' } } } as DatabaseOptions['dir']
  const use = (given: string, env: NodeJS.ProcessEnv = {}) =>
    devDatabase({ dir, given, env, restartAfterMs: null, serverReports: () => () => {}, say: () => {} })
  const plain = 'postgres://me:hunter2@db.example/anchorage'
  await assert.rejects(
    use(plain),
    (error) => isCode(error, 'invalid') && error.message.startsWith('DATABASE_URL '),
  )
  for (const given of [
    await use(`${plain}?sslmode=verify-full`),
    await use(plain, { ANCHORAGE_DATABASE_ALLOW_PLAINTEXT: 'true' }),
  ])
    assert.match(given.tenantUrl, /^postgres:\/\/anchorage_tenant:t@db\.example\/anchorage/)
})

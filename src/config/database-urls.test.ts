import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCode } from '../core/errors.ts'
import { loadConfig } from './config.ts'
import { ownerUrl, storeUrls } from './database-urls.ts'

const far = {
  ANCHORAGE_DATABASE_URL: 'postgres://tenant:hunter2@db/anchorage',
  ANCHORAGE_DATABASE_SYSTEM_URL: 'postgres://system:hunter2@db/anchorage',
  ANCHORAGE_DATABASE_OWNER_URL: 'postgres://owner:hunter2@db/anchorage',
}

test('every URL that would send its password unencrypted is refused by name, unless that is allowed', () => {
  const config = loadConfig({ env: far })
  const refuses = (work: () => unknown, ...keys: string[]) =>
    assert.throws(work, (error) => {
      assert.ok(isCode(error, 'invalid'))
      assert.deepEqual(
        error.message.split('\n').map((line) => line.split(' ')[0]),
        keys,
      )
      assert.match(error.message, /sslmode=verify-full.*database\.allowPlaintext/)
      return !error.message.includes('hunter2')
    })
  refuses(() => storeUrls(config), 'database.url', 'database.systemUrl')
  refuses(() => ownerUrl(config), 'database.ownerUrl')
  const allowed = loadConfig({ env: { ...far, ANCHORAGE_DATABASE_ALLOW_PLAINTEXT: 'true' } })
  assert.deepEqual(storeUrls(allowed), {
    tenantUrl: far.ANCHORAGE_DATABASE_URL,
    systemUrl: far.ANCHORAGE_DATABASE_SYSTEM_URL,
  })
  assert.equal(ownerUrl(allowed), far.ANCHORAGE_DATABASE_OWNER_URL)
})

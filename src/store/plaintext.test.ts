import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCode } from '../core/errors.ts'
import { refusePlaintext } from './plaintext.ts'

const refused = (url: string): boolean => {
  try {
    refusePlaintext('database.url', url)
    return false
  } catch (error) {
    assert.ok(isCode(error, 'invalid'), String(error))
    assert.match(error.message, /^database\.url/)
    assert.doesNotMatch(error.message, /hunter2/)
    return true
  }
}
const login = 'postgres://anchorage_tenant:hunter2@'

test('a password is sent to another host over TLS only', () => {
  for (const at of [
    'db.internal/anchorage',
    '10.0.0.7:5432/anchorage',
    '[2001:db8::7]/anchorage',
    'localhost.evil.example/anchorage',
    '0.0.0.0/anchorage',
    'db/anchorage?sslmode=disable',
    'db/anchorage?ssl=0',
    'db/anchorage?ssl=',
    'db/anchorage?sslnegotiation=postgres',
    'localhost/anchorage?host=db',
    '/anchorage?host=db',
  ])
    assert.ok(refused(login + at), at)
  for (const at of [
    ...['require', 'verify-ca', 'verify-full', 'prefer', 'no-verify'].map((mode) => `db/a?sslmode=${mode}`),
    'db/a?ssl=true',
    'db/a?ssl=no-verify',
    'db/a?sslnegotiation=direct',
    'db/a?sslmode=require&uselibpqcompat=true',
  ])
    assert.ok(!refused(login + at), at)
})

test('on this machine a password may be sent unencrypted', () => {
  for (const at of [
    'localhost/anchorage',
    '127.0.0.1:5433/anchorage',
    '127.8.9.1/anchorage',
    '[::1]:5432/anchorage',
    '/anchorage',
    '/anchorage?host=/var/run/postgresql',
    '%2Fvar%2Frun%2Fpostgresql/anchorage',
    'db/anchorage?host=/run/pg',
    'db/anchorage?host=127.0.0.1',
  ])
    assert.ok(!refused(login + at), at)
})

test('a certificate that cannot be read is refused, and the error names the option and the file', () => {
  assert.throws(
    () => refusePlaintext('database.url', `${login}db/a?sslrootcert=/no/such.pem`),
    (error) => isCode(error, 'invalid') && /^database\.url: .*\/no\/such\.pem/.test(error.message),
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCode } from '../core/errors.ts'
import { loadConfig } from './config.ts'
import { outsideNats } from './outside-nats.ts'

const given = (url: string, more: Record<string, string> = {}) =>
  outsideNats(loadConfig({ env: { ANCHORAGE_NATS_URL: url, ...more } }))

test('an outside NATS on another host is reached over TLS only, unless nats.allowPlaintext is set', () => {
  for (const at of [
    'nats.internal:4222',
    '10.0.0.7',
    '[2001:db8::7]:4222',
    'localhost.evil.example',
    '0.0.0.0',
  ])
    assert.throws(
      () => given(`nats://anchorage:hunter2@${at}`),
      (error) => {
        assert.ok(isCode(error, 'invalid'), at)
        assert.match(error.message, /^nats\.url .*tls:\/\/.*nats\.allowPlaintext/)
        return !error.message.includes('hunter2')
      },
      at,
    )
  for (const url of [
    'tls://anchorage:hunter2@nats.internal:4222',
    'nats://anchorage:hunter2@127.0.0.1:4222',
    'nats://[::1]:4222',
    'nats://localhost',
  ])
    assert.equal(given(url), url)
  const plain = 'nats://anchorage:hunter2@nats.internal:4222'
  assert.equal(given(plain, { ANCHORAGE_NATS_ALLOW_PLAINTEXT: 'true' }), plain)
  assert.equal(outsideNats(loadConfig({ env: {} })), null)
})

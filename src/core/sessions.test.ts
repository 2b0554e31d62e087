import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { sealFor, stampFor } from '../auth/seal.ts'
import { AnchorageError, isCode } from './errors.ts'
import { groupRules } from './group-roles.ts'
import type { SessionStore } from './login-ports.ts'
import { sessionUseCases } from './sessions.ts'
import { silentLog } from './silent-log.ts'

const masterKey = randomBytes(32)
const stamp = stampFor(masterKey, 'session cookie')
const fresh = () => randomBytes(32).toString('base64url')

/** Logins over a store that knows no session and counts how often it is asked. */
function logins() {
  let asked = 0
  let nowMs = 0
  const unused = () => Promise.reject(new AnchorageError('internal', 'not asked for here'))
  const store: SessionStore = {
    async session() {
      asked++
      return null
    },
    login: unused,
    sessions: unused,
    endSession: unused,
    endByProvider: unused,
    pruneSessions: unused,
  }
  const begin = async () => ({
    url: '',
    secrets: { verifier: 'v', state: 's', nonce: 'n', redirectUri: 'r' },
  })
  const provider = { begin, finish: unused, logoutUrl: unused, readLogoutToken: unused }
  const sessions = sessionUseCases({
    store,
    provider,
    seal: sealFor(masterKey, 'login cookie'),
    stamp,
    rules: groupRules('anchorage:', []),
    idleMs: 1_000,
    maxAgeMs: 1_000,
    announce: async () => {},
    clock: { now: () => nowMs },
    log: silentLog,
  })
  const who = (cookie: string) =>
    assert.rejects(sessions.who(cookie), (error) => isCode(error, 'unauthenticated'))
  return { sessions, who, asked: () => asked, at: (ms: number) => void (nowMs = ms) }
}

test('the store is not asked about a cookie that we did not make', async () => {
  const { who, asked } = logins()
  const whole = stamp.put(fresh())
  const turned = whole.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A'))
  const invented = [
    '',
    fresh(),
    whole.slice(0, 43),
    whole.slice(1),
    turned,
    `${whole}A`,
    stampFor(masterKey, 'another').put(fresh()),
    stampFor(randomBytes(32), 'session cookie').put(fresh()),
    fresh() + whole.slice(43),
  ]
  for (const cookie of invented) await who(cookie)
  assert.equal(asked(), 0)
})

test('the store is not asked again about a session that is over', async () => {
  const { who, asked } = logins()
  const cookie = stamp.put(fresh())
  for (let n = 0; n < 10; n++) await who(cookie)
  assert.equal(asked(), 1)
})

test('a login may take ten minutes at the provider, and no longer', async () => {
  const { sessions, at } = logins()
  const { login } = await sessions.begin('https://pins.example.com', '/')
  assert.equal(login.maxAgeMs, 600_000)
  const browser = { login: login.value, session: undefined, userAgent: null, address: '', network: '' }
  const finished = () => sessions.finish('?code=1', browser)
  at(599_999)
  await assert.rejects(finished(), /not asked for here/)
  for (const ms of [600_000, 600_001]) {
    at(ms)
    await assert.rejects(
      finished(),
      (error) => isCode(error, 'unauthenticated') && /too long/.test(error.message),
    )
  }
})

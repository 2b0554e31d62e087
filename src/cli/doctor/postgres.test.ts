import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServerFacts } from '../../store/inspect.ts'
import { clockOf, serverOf, settingsOf } from './postgres.ts'

const whole: ServerFacts = {
  version: '18.4',
  isTooOld: false,
  encoding: 'UTF8',
  fsync: true,
  fullPageWrites: true,
  autovacuum: true,
  readOnly: false,
  maxConnections: 97,
  clockAheadMs: 3,
  tookMs: 10,
}

test('a server that anchorage works with is ok; other servers fail with what to do', () => {
  assert.equal(serverOf(whole, 'db').state, 'ok')
  const broken: [Partial<ServerFacts>, RegExp][] = [
    [{ isTooOld: true }, /16 or newer/],
    [{ encoding: 'SQL_ASCII' }, /UTF8/],
    [{ readOnly: true }, /primary/],
  ]
  for (const [facts, advice] of broken) {
    const found = serverOf({ ...whole, ...facts }, 'db')
    assert.equal(found.state, 'fail')
    assert.match(found.advice ?? '', advice)
  }
})

test('settings that lose pins fail; settings that cause trouble later give a warning', () => {
  assert.deepEqual(
    settingsOf(whole, 3, 'directly').map(({ state }) => state),
    ['ok'],
  )
  const broken: [Partial<ServerFacts>, number, 'fail' | 'warn', RegExp][] = [
    [{ fsync: false }, 1, 'fail', /fsync = on/],
    [{ fullPageWrites: false }, 1, 'fail', /full_page_writes = on/],
    [{ autovacuum: false }, 1, 'warn', /autovacuum = on/],
    [{ maxConnections: 97 }, 7, 'warn', /max_connections to 128/],
  ]
  for (const [facts, nodes, state, advice] of broken) {
    const found = settingsOf({ ...whole, ...facts }, nodes, 'directly')
    assert.deepEqual(
      found.map((finding) => finding.state),
      [state],
    )
    assert.match(found[0]?.advice ?? '', advice)
  }
})

test('behind a pooler, nodes need no connections of their own', () => {
  const [few] = settingsOf({ ...whole, maxConnections: 20 }, 7, 'through a pooler, by transaction')
  assert.equal(few?.state, 'ok')
})

test('a clock is off only when the difference exceeds the time of the query', () => {
  assert.equal(clockOf(whole).state, 'ok')
  assert.equal(clockOf({ ...whole, clockAheadMs: 2_900, tookMs: 2_000 }).state, 'ok')
  assert.match(clockOf({ ...whole, clockAheadMs: -5_000 }).says, /ahead of/)
  assert.match(clockOf({ ...whole, clockAheadMs: 5_000 }).says, /behind/)
  assert.equal(clockOf({ ...whole, clockAheadMs: 5_000 }).state, 'warn')
  assert.equal(clockOf({ ...whole, clockAheadMs: -60_000 }).state, 'fail')
})

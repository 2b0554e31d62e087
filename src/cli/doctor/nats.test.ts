import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jetStreamOf, quorumOf, syncOf } from './nats.ts'

const facts = { version: '2.14.5', hasStreams: true, replicas: 3, offline: 0, acknowledgedInMs: 4.2 }
const servers = { answered: 3, counted: 3, hasLeader: true, lazy: [] }

test('an acknowledged message is the proof; without streams nothing is claimed', () => {
  assert.deepEqual(states(jetStreamOf(facts)), ['ok', 'ok'])
  assert.deepEqual(states(jetStreamOf({ ...facts, offline: 1 })), ['ok', 'warn'])
  assert.deepEqual(states(jetStreamOf({ ...facts, hasStreams: false, acknowledgedInMs: null })), [
    'ok',
    'skip',
  ])
})

test('there is a quorum while a leader is known; one that survives no loss gives a warning', () => {
  assert.equal(quorumOf(servers).state, 'ok')
  assert.equal(quorumOf({ ...servers, answered: 1, counted: 1 }).state, 'ok')
  assert.equal(quorumOf({ ...servers, answered: 2 }).state, 'warn')
  assert.match(quorumOf({ ...servers, answered: 2, counted: 2 }).advice ?? '', /third node/)
  const none = quorumOf({ ...servers, answered: 1, hasLeader: false })
  assert.equal(none.state, 'fail')
  assert.match(none.says, /1 of 3/)
})

test('a server that acknowledges before the message is on disk is named', () => {
  assert.equal(syncOf(servers).state, 'ok')
  const lazy = syncOf({ ...servers, lazy: ['server-2'] })
  assert.equal(lazy.state, 'fail')
  assert.match(lazy.says, /server-2/)
})

function states(findings: { state: string }[]): string[] {
  return findings.map(({ state }) => state)
}

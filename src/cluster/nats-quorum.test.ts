import assert from 'node:assert/strict'
import { test } from 'node:test'
import { goneMembers, leaderlessPatience, type Member } from './nats-quorum.ts'

const minute = 60_000
const live = (name: string): Member => ({ name, silentMs: 3_000, served: true })
const silent = (name: string, silentMs: number, served = true): Member => ({ name, silentMs, served })
const three = [live('a'), live('b'), live('c')]

test('a node that never served is gone after a minute, one that served after an hour, while live ones outnumber them', () => {
  const names = (members: Member[]) => goneMembers(members).map(({ name }) => name)
  assert.deepEqual(names([...three, silent('d', 59_000, false), silent('e', 59 * minute)]), [])
  assert.deepEqual(names([...three, silent('d', 2 * minute, false), silent('e', 61 * minute)]), ['d', 'e'])
  const few = [live('a'), live('b'), silent('c', 61 * minute), silent('d', 61 * minute)]
  assert.deepEqual(names(few), [], 'half of the nodes may be cut off from Postgres')
})

test('servers of a majority of the nodes begin again when they have no leader: soon when they can have none, else after a while', () => {
  const patience = (size: number, members: Member[], reached: string, leader: string | null = null) =>
    leaderlessPatience({ leader, size, reached: new Set(reached) }, members)
  assert.equal(patience(6, three, 'abc'), 30_000, 'three of six servers belong to no node')
  assert.equal(patience(6, three, 'abc', 'a'), null)
  assert.equal(
    patience(5, three, 'abc'),
    90_000,
    'three of five are a quorum: perhaps an election is under way',
  )
  assert.equal(patience(6, [...three, silent('d', minute)], 'abc'), 30_000, 'three of four nodes')
  assert.equal(patience(6, three, 'axy'), null, 'the others do not reach this one: they may have a leader')
  assert.equal(patience(4, [...three, live('d')], 'ab'), null, 'half is no majority')
  assert.equal(patience(3, [live('a'), live('b'), silent('c', 61 * minute)], 'ab'), 90_000)
  assert.equal(patience(5, [live('a'), live('b'), silent('c', 61 * minute)], 'ab'), 30_000)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { goneMembers, isStuck, type Member } from './nats-quorum.ts'

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

test('JetStream is stuck when it counts so many servers that the live ones are no majority, and they are one of the nodes', () => {
  const stuck = (size: number, members: Member[], leader: string | null = null) =>
    isStuck({ leader, size }, members)
  assert.equal(stuck(6, three), true, 'three of six servers belong to no node')
  assert.equal(stuck(6, three, 'a'), false)
  assert.equal(stuck(5, three), false, 'three of five are a quorum: an election is under way')
  assert.equal(stuck(6, [...three, silent('d', minute)]), true, 'three of four nodes live')
  assert.equal(
    stuck(5, [live('a'), live('b'), silent('c', minute), silent('d', minute), silent('e', minute)]),
    false,
  )
  assert.equal(
    stuck(4, [live('a'), live('b'), silent('c', minute), silent('d', minute)]),
    false,
    'half is no majority',
  )
  assert.equal(stuck(5, [live('a'), live('b'), silent('c', 61 * minute)]), true)
})

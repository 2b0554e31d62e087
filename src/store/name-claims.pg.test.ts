import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testStore } from '../../testing/database/test-store.ts'
import { isCode } from '../core/errors.ts'
import { bareClaim, NameHeld, type NameClaim } from '../core/name-claim.ts'

const { store, system } = await testStore()
const { nodes } = store

function claimOf(machine: string, more: Partial<NameClaim> = {}): NameClaim {
  return { ...bareClaim, folderId: `folder-${machine}`, machine, masterKey: 'key', ...more }
}

async function rowsOf(name: string): Promise<unknown[]> {
  const { rows } = await system.query('select * from nodes where name = $1', [name])
  return rows
}

test('of processes on several machines that start at once under one name, one gets it', async () => {
  const starts = ['m1', 'm2', 'm3', 'm4'].map((machine) => nodes.boot('raced', null, claimOf(machine)))
  const outcomes = await Promise.allSettled(starts)
  const won = outcomes.filter(({ status }) => status === 'fulfilled')
  assert.equal(won.length, 1)
  for (const outcome of outcomes)
    if (outcome.status === 'rejected')
      assert.ok(isCode(outcome.reason, 'conflict') && /another process runs/.test(outcome.reason.message))
})

test('a refused start changes nothing, and the node goes on', async () => {
  const node = await nodes.boot('healthy', 'east', claimOf('h1'))
  const before = await rowsOf('healthy')
  await assert.rejects(
    nodes.boot('healthy', 'west', claimOf('h2')),
    /another process runs as the node healthy/,
  )
  assert.deepEqual(await rowsOf('healthy'), before)
  assert.equal(await nodes.see(node, { usedBytes: null, capacityBytes: null }), true)
})

test('a killed process is followed at once on its machine; on another machine, once it has been silent', async () => {
  const first = await nodes.boot('killed', null, claimOf('k1'))
  const again = await nodes.boot('killed', null, claimOf('k1'))
  assert.deepEqual(again, { nodeId: first.nodeId, incarnation: first.incarnation + 1 })
  const moved = claimOf('k1', { machine: 'k2' })
  await assert.rejects(nodes.boot('killed', null, moved), NameHeld)
  await system.query(`update nodes set last_seen = now() - interval '16 s' where name = 'killed'`)
  assert.equal((await nodes.boot('killed', null, moved)).incarnation, first.incarnation + 2)
})

test('a process that has stopped cleanly leaves its name; one that was followed leaves nothing', async () => {
  const first = await nodes.boot('left', null, claimOf('l1'))
  await nodes.leave(first)
  const second = await nodes.boot('left', null, claimOf('l1', { machine: 'l2' }))
  await nodes.leave(first)
  await assert.rejects(nodes.boot('left', null, claimOf('l1')), NameHeld)
  await nodes.leave(second)
  await nodes.boot('left', null, claimOf('l1'))
})

test('another master key is refused, and the first one stays', async () => {
  await nodes.boot('first', null, claimOf('f1'))
  await assert.rejects(
    nodes.boot('other', null, claimOf('o1', { masterKey: 'another' })),
    (error) => isCode(error, 'invalid') && /not this cluster's master key/.test(error.message),
  )
  assert.deepEqual(await rowsOf('other'), [])
})

test('a Kubo belongs to one node', async () => {
  const kubo = { peerId: 'shared-kubo', multiaddrs: [] }
  const [one, two] = [await nodes.boot('k-one'), await nodes.boot('k-two')]
  await nodes.bindKubo(one, kubo)
  await nodes.bindKubo(one, kubo)
  await assert.rejects(nodes.bindKubo(two, kubo), /kubo\.rpc belongs to the node k-one/)
  await assert.rejects(nodes.bindKubo(one, { ...kubo, peerId: 'other' }), /belongs to the Kubo shared-kubo/)
  await assert.rejects(
    nodes.boot('k-two', null, claimOf('k', { peerId: 'shared-kubo' })),
    /kubo\.rpc belongs to the node k-one/,
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idOf, type NodeId } from '../core/ids.ts'
import type { DetailRow, KnownNodes, PinRow } from './pin-rows.ts'
import { acceptedInfo, pinOf } from './show-pin.ts'

const uuids = [1, 2, 3].map((n) => `01890000-0000-7000-8000-00000000000${n}`)
const names = new Map(uuids.map((uuid, index) => [idOf('nod', uuid), `node-${index + 1}`]))
let away: NodeId | null = null
const knownNodes: KnownNodes = {
  addresses: (id) => [`/at/${names.get(id)}`],
  name: (id) => names.get(id) ?? id,
  works: (id) => id !== away,
  alone: (id) => names.get(id) === 'node-3',
  anyAddresses: () => ['/at/any'],
}

test('info says where each copy is, in the order of node names; delegates are the nodes that have or fetch a copy', () => {
  const pin = shown({ status: 'pinning', replicas: 2 }, [
    copy(3, { state: 'pinning', blocks: 4, bytes: 400 }),
    copy(1, { state: 'pinned', blocks: 9, bytes: 900 }),
  ])
  assert.equal(pin.info.copies, 'node-1 pinned, node-3 pinning')
  assert.equal(pin.info.replicas, '2')
  assert.equal(pin.info.status_details, 'fetching: 4 blocks, 400 bytes so far; 1 of 2 copies pinned')
  assert.deepEqual([pin.info.blocks, pin.info.bytes], ['4', '400'])
  assert.deepEqual(pin.delegates, ['/at/node-1', '/at/node-3'])
})

test('a lost copy does not count, a leaving copy still serves, and a copy that is being unpinned is not shown', () => {
  const lost = shown({ status: 'pinned', replicas: 2 }, [
    copy(1, { state: 'pinned' }),
    copy(2, { state: 'pinned', lost: true }),
    copy(3, { state: 'unpinning' }),
  ])
  assert.equal(lost.info.status_details, 'pinned on 1 of 2 nodes; 1 copy waits for a node that has room')
  assert.equal(lost.info.copies, 'node-1 pinned, node-2 lost')
  assert.deepEqual(lost.delegates, ['/at/node-1'])
  const leaving = shown({ status: 'pinned', replicas: 1 }, [
    copy(1, { state: 'pinned', leaving: true }),
    copy(2, { state: 'queued' }),
  ])
  assert.equal(leaving.info.status_details, 'pinned on 1 node')
  assert.equal(leaving.info.copies, 'node-1 leaving, node-2 queued')
})

test('a pinned pin says that no node with a copy can serve it at the moment, and a queued one which copies are lost', () => {
  const [first] = names.keys()
  away = first ?? null
  const one = shown({ status: 'pinned', replicas: 1 }, [copy(1, { state: 'pinned' })])
  assert.equal(one.info.status_details, 'pinned on 1 node; this node cannot serve it at the moment')
  const two = shown({ status: 'pinned', replicas: 2 }, [
    copy(1, { state: 'pinned' }),
    copy(2, { state: 'pinned' }),
  ])
  assert.equal(two.info.status_details, 'pinned on 2 nodes')
  away = null
  const lost = shown({ status: 'queued', replicas: 1 }, [
    copy(1, { state: 'pinned', lost: true }),
    copy(2, { state: 'queued' }),
  ])
  assert.equal(
    lost.info.status_details,
    'waiting for a node to start on it; a copy is on node-1, which is down',
  )
})

test('a pin without a node says what it waits for, and still has an address to connect to', () => {
  const pin = shown({ status: 'queued', replicas: 3 }, [copy(null, {})])
  assert.equal(pin.info.status_details, '3 copies wait for a node that has room')
  assert.equal(pin.info.copies, undefined)
  assert.deepEqual(pin.delegates, ['/at/any'])
  const some = shown({ status: 'queued', replicas: 3 }, [
    copy(1, { state: 'pinned' }),
    copy(2, { state: 'queued' }),
  ])
  assert.equal(
    some.info.status_details,
    'waiting for a node to start on it; 1 of 3 copies pinned; 1 copy waits for a node that has room',
  )
})

test('a copy of which no block has come says so when the Kubo of its node reaches no other one', () => {
  const alone = 'the Kubo of node-3 is not connected to the Kubo of any other node'
  const stuck = shown({ status: 'pinning', replicas: 1 }, [
    copy(3, { state: 'pinning', blocks: 0, bytes: 0 }),
  ])
  assert.equal(stuck.info.status_details, `fetching: 0 blocks, 0 bytes so far; ${alone}`)
  const again = shown({ status: 'queued', replicas: 1 }, [
    copy(3, { state: 'queued', error_code: 'not_found_in_time', error: 'no block was found' }),
  ])
  assert.equal(again.info.status_details, `waiting to try again: no block was found; ${alone}`)
  const moves = shown({ status: 'pinning', replicas: 1 }, [
    copy(3, { state: 'pinning', blocks: 4, bytes: 400 }),
  ])
  assert.equal(moves.info.status_details, 'fetching: 4 blocks, 400 bytes so far')
})

test('an error is shown with its code; a copy that a full node refused waits for another node', () => {
  const error = { state: 'failed', error_code: 'node_full', error: 'the repository is full' }
  const pin = shown({ status: 'queued', replicas: 2 }, [copy(1, error), copy(2, { state: 'queued' })])
  assert.equal(pin.info.error_code, 'node_full')
  assert.match(pin.info.status_details ?? '', /repository is full; 1 copy waits for a node that has room$/)
})

test('a pin that will be tried again says when; a pin whose work was set aside does not', () => {
  const nextTry = (at: string) => {
    const trouble = { state: 'queued', error_code: 'stalled', error: 'stalled', next_attempt_at: at }
    return shown({ status: 'queued' }, [copy(1, trouble)]).info.next_retry
  }
  assert.equal(nextTry('2026-01-01T00:00:00+00:00'), '2026-01-01T00:00:00.000Z')
  assert.equal(nextTry('infinity'), undefined)
})

test('a pin whose only copy was lost with a node says so until a copy is pinned, beside what its last attempt met', () => {
  const lost = copy(null, { error_code: 'lost' })
  const waiting = shown({ status: 'queued' }, [lost])
  assert.equal(waiting.info.error_code, 'lost')
  assert.equal(
    waiting.info.status_details,
    'the only copy was on a node that is gone; it is fetched again from the network or its origins; 1 copy waits for a node that has room',
  )
  const stalled = { state: 'queued', error_code: 'stalled', error: 'no block came', attempts: 1 }
  const tried = shown({ status: 'queued' }, [copy(1, stalled), lost])
  assert.equal(tried.info.error_code, 'lost')
  assert.match(tried.info.status_details ?? '', /^the only copy was .*; waiting to try again: no block came$/)
  assert.equal(tried.info.copies, 'node-1 queued')
  const given = { state: 'failed', error_code: 'not_found_in_time', error: 'not found within 30 days' }
  const failed = shown({ status: 'failed' }, [copy(1, given), lost])
  assert.equal(failed.info.error_code, 'not_found_in_time')
  assert.equal(
    failed.info.status_details,
    'not found within 30 days; the only copy was on a node that is gone',
  )
  assert.equal(shown({ status: 'pinned' }, [copy(1, { state: 'pinned' }), lost]).info.error_code, undefined)
  const refused = shown({ status: 'failed', error_code: 'too_big' }, [lost])
  assert.equal(refused.info.error_code, 'too_big')
})

test('an accept says how many copies have no node yet', () => {
  assert.equal(acceptedInfo(2, 2, false).status_details, 'accepted')
  assert.equal(acceptedInfo(3, 1, false).status_details, 'accepted; 2 copies wait for a node that has room')
  assert.equal(acceptedInfo(1, null, true).status_details, 'pinned')
})

function shown(more: Partial<PinRow>, details: DetailRow[]) {
  const row: PinRow = {
    id: uuids[0] ?? '',
    cid: 'cid',
    cid_text: null,
    name: null,
    meta: null,
    origins: null,
    replicas: 1,
    status: 'queued',
    error_code: null,
    attempts_before: 0,
    created: '2026-01-01T00:00:00Z',
    ...more,
  }
  return pinOf(row, details, knownNodes)
}

function copy(number: number | null, more: Partial<DetailRow>): DetailRow {
  return {
    cid: 'cid',
    dag_size: null,
    node_id: number === null ? null : (uuids[number - 1] ?? null),
    state: null,
    attempts: null,
    error_code: null,
    error: null,
    next_attempt_at: null,
    blocks: null,
    bytes: null,
    lost: false,
    leaving: false,
    ...more,
  }
}

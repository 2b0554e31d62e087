import { strict as assert } from 'node:assert'
import { test } from 'node:test'
import type { Progress } from '../../src/core/placement.ts'
import { fakeIpfs } from './kubo.ts'

const never = new AbortController().signal
const atOnce = { sleep: async (_ms: number, signal: AbortSignal) => signal.throwIfAborted() }
const options = (onProgress: (progress: Progress) => void = () => {}) => ({ signal: never, onProgress })

test('the fault `lie` reports success for a pin that does not exist', async () => {
  const ipfs = fakeIpfs({ clock: atOnce })
  ipfs.fault('a', { kind: 'lie' })
  assert.equal((await ipfs.pin('a', options())).blocks, 1)
  assert.equal(await ipfs.pinned('a', never), null)
  ipfs.fault('a', null)
  await ipfs.pin('a', options())
  assert.equal(await ipfs.pinned('a', never), 'ours')
})

test('the fault `crash` fails everything after that many blocks, and the pins are there again after `up`', async () => {
  const ipfs = fakeIpfs({ clock: atOnce })
  await ipfs.pin('standing', options())
  ipfs.offer('a', { blocks: 10, bytes: 1000 })
  ipfs.fault('a', { kind: 'crash', afterBlocks: 4 })
  ipfs.fault('waiting', { kind: 'stall' })
  const waiting = ipfs.pin('waiting', options())
  waiting.catch(() => {})
  let last: Progress = { blocks: 0, bytes: 0 }
  await assert.rejects(
    ipfs.pin(
      'a',
      options((progress) => (last = progress)),
    ),
    { code: 'kubo_down' },
  )
  assert.deepEqual(last, { blocks: 4, bytes: 400 })
  await assert.rejects(waiting, { code: 'kubo_down' })
  await assert.rejects(ipfs.pinned('standing', never), { code: 'kubo_down' })
  assert.equal(ipfs.underWay(), 0)
  ipfs.up()
  assert.equal(await ipfs.pinned('standing', never), 'ours')
  assert.equal(await ipfs.pinned('a', never), null)
})

test('the fault `fail` rejects with its code until it is removed, and a stall also ends when it is removed', async () => {
  const ipfs = fakeIpfs({ clock: { sleep: () => new Promise((resolve) => setImmediate(resolve)) } })
  ipfs.fault('a', { kind: 'fail', code: 'node_full' })
  await assert.rejects(ipfs.pin('a', options()), { code: 'node_full', permanent: false })
  ipfs.fault('a', { kind: 'stall' })
  let signs = 0
  await ipfs.pin(
    'a',
    options(() => ++signs === 3 && ipfs.fault('a', null)),
  )
  assert.ok(signs >= 3)
  assert.equal(await ipfs.pinned('a', never), 'ours')
})

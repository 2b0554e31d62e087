import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCode } from './errors.ts'
import { mintId } from './ids.ts'
import type { Node } from './node.ts'
import type { NewPin, Pin, PinRequest } from './pin.ts'
import { pinUseCases } from './pins.ts'
import type { PinStore } from './ports.ts'
import { pressure } from './accept-pressure.ts'
import type { OrgPrincipal } from './token.ts'
import { silentLog } from './silent-log.ts'
import { fakeNode } from '../../testing/fakes/node.ts'

const cid = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
const gib = 2 ** 30
const principal: OrgPrincipal = {
  actor: mintId('tok'),
  orgId: mintId('org'),
  scopes: new Set(),
  until: null,
}

test('only nodes that can take content now are chosen, and none when none can', async () => {
  const well = node({})
  const unfit = [
    node({ live: false }),
    node({ state: 'draining' }),
    node({ state: 'drained' }),
    node({ capacityBytes: 10 * gib, usedBytes: 9 * gib }),
  ]
  assert.deepEqual((await accepted([...unfit, well])).nodes, [well.id])
  assert.deepEqual((await accepted(unfit)).nodes, [])
})

test('meta gives the number of copies and stays as it was sent; without it the number is left to the org', async () => {
  const nodes = Array.from({ length: 12 }, () => node({}))
  const meta = { 'anchorage.replicas': '7', other: 'x' }
  const asked = await accepted(nodes, { meta })
  assert.equal(asked.replicas, 7)
  assert.deepEqual(asked.meta, meta)
  assert.ok(asked.nodes.length >= 7)
  const silent = await accepted(nodes)
  assert.equal(silent.replicas, null)
  assert.ok(silent.nodes.length >= 5)
})

test('an invalid number of copies is refused before anything is stored', async () => {
  await assert.rejects(
    accepted([node({})], { meta: { 'anchorage.replicas': '0' } }),
    (error) => isCode(error, 'invalid') && error.message.startsWith('meta.anchorage.replicas: '),
  )
})

test('meta is counted in bytes, keys and values together', async () => {
  const fits = { ['ä'.repeat(4_096)]: 'x'.repeat(8_192) }
  assert.deepEqual((await accepted([node({})], { meta: fits })).meta, fits)
  await assert.rejects(
    accepted([node({})], { meta: { ...fits, x: '' } }),
    (error) => isCode(error, 'invalid') && /16385 bytes; at most 16384/.test(error.message),
  )
})

test('usable origins are kept, and those passed over are described in words', async () => {
  const origin = '/ip4/203.0.113.1/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'
  const some = await accepted([node({})], { origins: [origin, origin, '/hello'] })
  assert.deepEqual(some.origins, [origin])
  assert.match(some.originsPassedOver ?? '', /^2 of 3: .*\/hello/)
  const { origins, originsPassedOver } = await accepted([node({})], { origins: [] })
  assert.deepEqual([origins, originsPassedOver], [undefined, undefined])
})

test('before any node is known a pin is not accepted', async () => {
  await assert.rejects(accepted([]), (error) => isCode(error, 'unavailable'))
})

/** The pin that reaches the store when `request` is accepted in a cluster of `nodes`. */
async function accepted(nodes: Node[], request: Partial<PinRequest> = {}): Promise<NewPin> {
  const given: NewPin[] = []
  const never = (): never => assert.fail('it is not asked')
  const store: PinStore = {
    async acceptPins(_orgId, pins) {
      given.push(...pins)
      return pins.map((pin) => ({ pin: shown(pin), woken: [] }))
    },
    replacePin: never,
    removePin: never,
    crowded: async () => [],
    getPin: never,
    listPins: never,
  }
  const clock = { steadyMs: () => 0, sleep: async () => {} }
  const pins = pinUseCases({
    store,
    presence: { nodes: () => nodes },
    bus: { publishJobs: async () => {} },
    clock,
    log: silentLog,
    pressure: pressure(clock),
    room: { highWater: 0.9 },
    maxMetaBytes: 16 << 10,
  })
  await pins.create(principal, { cid, ...request })
  const [pin] = given
  assert.ok(pin)
  return pin
}

function shown(pin: NewPin): Pin {
  return { id: pin.id, status: 'queued', created: new Date(0), cid: pin.cid, delegates: [], info: {} }
}

function node(more: Partial<Node>): Node {
  return fakeNode({ capacityBytes: 100 * gib, usedBytes: 0, ...more })
}

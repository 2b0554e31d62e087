import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Cache } from './cache.ts'

interface Answer {
  text: string
}

const always = () => true
const never = () => false

function rig(options: { max?: number; maxStaleMs?: number } = {}) {
  const clock = { nowMs: 0, steadyMs: () => clock.nowMs }
  const cache = new Cache<Answer>({ max: 100, maxAgeMs: () => 1_000, maxStaleMs: 10_000, clock, ...options })
  const source = { text: 'a', asked: 0, down: false }
  const load = async (): Promise<Answer> => {
    source.asked++
    const { text, down } = source
    await Promise.resolve()
    if (down) throw new Error('away')
    return { text }
  }
  const read = async (key = 'k') => (await cache.read(key, load, never)).text
  return { cache, clock, source, load, read }
}

test('concurrent reads of a key load it once, and it is loaded again only when it is too old', async () => {
  const { cache, clock, source, read } = rig()
  assert.deepEqual(await Promise.all([read(), read(), read()]), ['a', 'a', 'a'])
  clock.nowMs = 999
  await read()
  assert.equal(source.asked, 1)
  source.text = 'b'
  clock.nowMs = 1_000
  assert.equal(await read(), 'b')
  assert.equal(source.asked, 2)
  assert.deepEqual([cache.stats().hits, cache.stats().misses, cache.stats().size], [1, 4, 1])
})

test('an invalidation with a newer version drops the answer at once; the same or a lower version changes nothing', async () => {
  const { cache, source, read } = rig()
  await read()
  cache.invalidate({ key: 'k', version: 7 })
  assert.equal(cache.fresh('k'), null)
  source.text = 'b'
  assert.equal(await read(), 'b')
  for (const version of [7, 6, 1]) cache.invalidate({ key: 'k', version })
  for (const version of [0, -1]) cache.invalidate({ key: null, version })
  assert.equal(await read(), 'b')
  assert.equal(source.asked, 2)
  assert.equal(cache.stats().version, 7)
  assert.equal(cache.stats().invalidations, 6)
})

test('invalidations that arrive out of order each drop their own key', async () => {
  const { cache, source, read } = rig()
  await read('one')
  await read('two')
  cache.invalidate({ key: 'two', version: 6 })
  cache.invalidate({ key: 'one', version: 5 })
  assert.deepEqual([cache.fresh('one'), cache.fresh('two')], [null, null])
  await read('one')
  cache.invalidate({ key: 'one', version: 5 })
  assert.ok(cache.fresh('one'), 'it was asked for when 6 was known, so it includes 5')
  assert.equal(source.asked, 3)
})

test('an invalidation without a key drops every older answer', async () => {
  const { cache, read } = rig()
  await read('one')
  cache.invalidate({ key: null, version: 3 })
  await read('two')
  cache.invalidate({ key: null, version: 3 })
  assert.equal(cache.fresh('one'), null)
  assert.ok(cache.fresh('two'))
})

test('an answer that is being loaded when a change arrives is not kept', async () => {
  for (const overtake of ['invalidate', 'flush'] as const) {
    const { cache, source, load, read } = rig()
    const early = cache.read('k', load, never)
    source.text = 'b'
    if (overtake === 'flush') cache.flush()
    else cache.invalidate({ key: 'k', version: 1 })
    const late = read()
    assert.equal((await early).text, 'a')
    assert.equal(await late, 'b')
    assert.equal(cache.fresh('k')?.text, 'b')
  }
})

test('after a flush every key is loaded again', async () => {
  const { cache, source, read } = rig()
  await read()
  cache.flush()
  await read()
  assert.equal(source.asked, 2)
  assert.equal(cache.stats().flushes, 1)
})

test('while the source is down the last answer is served for a bounded time, and then reads reject', async () => {
  const { clock, source, read } = rig()
  await read()
  source.down = true
  clock.nowMs = 9_999
  assert.equal(await read(), 'a')
  clock.nowMs = 10_000
  await assert.rejects(read(), /away/)
  source.down = false
  assert.equal(await read(), 'a')
})

test('an invalidated or flushed answer is not served while the source is down', async () => {
  const { cache, source, read } = rig()
  await read('flushed')
  cache.flush()
  await read('invalidated')
  cache.invalidate({ key: 'invalidated', version: 1 })
  source.down = true
  await assert.rejects(read('flushed'), /away/)
  await assert.rejects(read('invalidated'), /away/)
})

test('a final rejection drops the remembered answer', async () => {
  const { cache, clock, source, load, read } = rig()
  await read()
  source.down = true
  clock.nowMs = 2_000
  await assert.rejects(cache.read('k', load, always), /away/)
  await assert.rejects(read(), /away/)
})

test('the cache never holds more keys than its maximum', async () => {
  const { cache, read } = rig({ max: 10 })
  for (let i = 0; i < 1_000; i++) await read(`${i}`)
  assert.equal(cache.stats().size, 10)
})

/** Changes commit in the order of their versions. Each is announced at some later time, or never, or twice. */
test('an answer read after an invalidation includes that change, even when invalidations are late, repeated or out of order', async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('change' as const), key: fc.nat(2) }),
    fc.record({ do: fc.constant('tell' as const), pick: fc.nat(1_000) }),
    fc.record({ do: fc.constant('read' as const), key: fc.nat(2) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const cache = new Cache<{ version: number }>({
        max: 10,
        maxAgeMs: () => Infinity,
        maxStaleMs: Infinity,
        clock: { steadyMs: () => 0 },
      })
      const changes: { key: number; version: number }[] = []
      const newest = (key: number, list = changes) =>
        list.findLast((change) => change.key === key)?.version ?? 0
      const told: typeof changes = []
      for (const each of steps) {
        if (each.do === 'change') changes.push({ key: each.key, version: changes.length + 1 })
        if (each.do === 'tell' && changes.length > 0) {
          const change = changes[each.pick % changes.length]
          assert.ok(change)
          told.push(change)
          cache.invalidate({ key: `${change.key}`, version: change.version })
        }
        if (each.do === 'read') {
          const load = async () => ({ version: newest(each.key) })
          const { version } = await cache.read(`${each.key}`, load, never)
          const must = Math.max(
            0,
            ...told.filter((change) => change.key === each.key).map((change) => change.version),
          )
          assert.ok(version >= must, `read ${version} of ${each.key} after ${must} was told`)
        }
      }
    }),
  )
})

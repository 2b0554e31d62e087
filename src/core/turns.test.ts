import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isCode } from './errors.ts'
import { turns } from './turns.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('each key has its own turns, first come first served', async () => {
  const shares = turns({ atOnce: 2, waiting: 10, what: 'requests' })
  const order: string[] = []
  const take = async (key: string, name: string) => {
    const end = await shares.take(key)
    order.push(name)
    return end
  }
  const [one, , three] = [take('a', 'a1'), take('a', 'a2'), take('a', 'a3'), take('a', 'a4'), take('b', 'b1')]
  await turn()
  assert.deepEqual(order, ['a1', 'a2', 'b1'])
  const end = await one
  end?.()
  end?.()
  await turn()
  assert.deepEqual(order, ['a1', 'a2', 'b1', 'a3'])
  ;(await three)?.()
  await turn()
  assert.deepEqual(order, ['a1', 'a2', 'b1', 'a3', 'a4'])
})

test('when too many wait the next is refused, and another key is not affected', async () => {
  const shares = turns({ atOnce: 1, waiting: 1, what: 'requests of one org' })
  const end = await shares.take('a')
  const waiting = shares.take('a')
  await assert.rejects(
    shares.take('a'),
    (error) => isCode(error, 'too_many') && /requests of one org/.test(error.message),
  )
  await shares.take('b')
  end()
  await waiting
})

test('a caller that leaves while waiting takes no turn, and takes none from the next', async () => {
  const shares = turns({ atOnce: 1, waiting: 2, what: 'requests' })
  const end = await shares.take('a')
  const leaving = new AbortController()
  const left = shares.take('a', leaving.signal)
  const next = shares.take('a')
  leaving.abort(new Error('gone'))
  await assert.rejects(left, /gone/)
  end()
  const last = await next
  last()
  ;(await shares.take('a'))()
})

test('in any order of calls the limit per key holds, and every caller gets its turn', async () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(3)), { maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 1, max: 3 }), async (asked, atOnce) => {
      const shares = turns({ atOnce, waiting: 100, what: 'requests' })
      const under = new Map<string, number>()
      await Promise.all(
        asked.map(async ([key, lasts]) => {
          const end = await shares.take(key)
          const now = (under.get(key) ?? 0) + 1
          under.set(key, now)
          assert.ok(now <= atOnce)
          for (let n = 0; n < lasts; n++) await Promise.resolve()
          under.set(key, (under.get(key) ?? 0) - 1)
          end()
        }),
      )
    }),
  )
})

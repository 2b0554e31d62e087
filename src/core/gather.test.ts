import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gather } from './gather.ts'

/** A `run` whose calls wait until the test resolves each one with `go`. */
function gated() {
  const calls: { key: string; items: number[]; go: (error?: Error) => void }[] = []
  const run = (key: string, items: number[]) =>
    new Promise<(number | Error)[]>((resolve, reject) => {
      const go = (error?: Error) =>
        error === undefined
          ? resolve(items.map((item) => (item < 0 ? new Error(`bad ${item}`) : item * 2)))
          : reject(error)
      calls.push({ key, items, go })
    })
  const call = (index: number) => calls[index] ?? assert.fail(`no call ${index}`)
  return { run, calls, call }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('items added in one tick share a call, and items added during a call share the next one', async () => {
  const { run, calls, call } = gated()
  const double = gather(run, { max: 10 })
  const first = [double('a', 1), double('a', 2)]
  await turn()
  const second = [double('a', 3), double('a', 4), double('a', 5)]
  await turn()
  assert.equal(calls.length, 1)
  call(0).go()
  assert.deepEqual(await Promise.all(first), [2, 4])
  await turn()
  assert.deepEqual(call(1).items, [3, 4, 5])
  call(1).go()
  assert.deepEqual(await Promise.all(second), [6, 8, 10])
})

test('a batch is never larger than max, and order is kept', async () => {
  const { run, calls, call } = gated()
  const double = gather(run, { max: 2 })
  const all = Promise.all([1, 2, 3, 4, 5].map((n) => double('a', n)))
  for (let index = 0; index < 3; index++) {
    await turn()
    call(index).go()
  }
  assert.deepEqual(await all, [2, 4, 6, 8, 10])
  assert.deepEqual(
    calls.map((one) => one.items),
    [[1, 2], [3, 4], [5]],
  )
})

test('keys do not wait for one another', async () => {
  const { run, call } = gated()
  const double = gather(run, { max: 10 })
  void double('a', 1)
  const other = double('b', 2)
  await turn()
  assert.deepEqual([call(0).key, call(1).key], ['a', 'b'])
  call(1).go()
  assert.equal(await other, 4)
})

test('one bad item is rejected alone; a rejected call rejects its batch and not the next', async () => {
  const { run, call } = gated()
  const double = gather(run, { max: 2 })
  const results = Promise.allSettled([
    double('a', 1),
    double('a', -1),
    double('a', 3),
    double('a', 4),
    double('a', 5),
  ])
  await turn()
  call(0).go()
  await turn()
  call(1).go(new Error('database away'))
  await turn()
  call(2).go()
  assert.deepEqual(
    (await results).map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason))),
    [2, 'Error: bad -1', 'Error: database away', 'Error: database away', 10],
  )
})

test('a run that returns the wrong number of results rejects its items rather than leaving them hanging', async () => {
  const short = gather(async () => [1], { max: 10 })
  const results = await Promise.allSettled([short('a', 1), short('a', 2)])
  assert.deepEqual(
    results.map((one) => one.status),
    ['rejected', 'rejected'],
  )
})

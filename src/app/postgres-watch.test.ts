import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnchorageError } from '../core/errors.ts'
import { mintId } from '../core/ids.ts'
import { fakeClock } from '../../testing/fakes/clock.ts'
import { postgresWatch, type PostgresWatchParts } from './postgres-watch.ts'
import { silentLog } from '../core/silent-log.ts'

/** A watch of a Postgres that answers everything, except as `store` and `parts` say, on a clock of its own. */
function rig(store: Partial<PostgresWatchParts['store']>, parts: Partial<PostgresWatchParts> = {}) {
  const clock = fakeClock()
  const watch = postgresWatch({
    store: {
      proveWrites: async () => {},
      assertReady: async () => {},
      see: async () => true,
      extendAudit: async () => {},
      ...store,
    },
    nodes: { refresh: async () => {} },
    node: { nodeId: mintId('nod'), incarnation: 1 },
    sign: () => ({ usedBytes: null, capacityBytes: null }),
    clock,
    log: silentLog,
    onReplaced: assert.fail,
    onReturn: () => {},
    ...parts,
  })
  const stop = new AbortController()
  const running = watch.run(stop.signal)
  return {
    clock,
    watch,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
    },
  }
}

test('Postgres is in trouble from the first failed write, even if all else answers, until a write commits again', async () => {
  let fault: AnchorageError | null = null
  let returns = 0
  await using at = rig(
    {
      proveWrites: async () => {
        if (fault !== null) throw fault
      },
    },
    { onReturn: () => returns++ },
  )
  const { clock, watch } = at
  await clock.pass(10_000)
  assert.equal(watch.trouble(), null)
  fault = new AnchorageError('unavailable', 'the database is read-only')
  await clock.pass(2_000)
  assert.deepEqual(watch.trouble(), { what: 'postgres', reason: 'the database is read-only' })
  fault = new AnchorageError('invalid', 'run: anchorage migrate up')
  await clock.pass(2_000)
  assert.deepEqual(watch.trouble(), { what: 'schema', reason: 'run: anchorage migrate up' })
  fault = null
  await clock.pass(2_000)
  assert.deepEqual([watch.trouble(), returns], [null, 1])
})

test('a node does not reach Postgres from the first failed write on, or when a call has had no answer for ten seconds', async () => {
  let answer: () => Promise<void> = async () => {}
  await using at = rig({ proveWrites: () => answer() })
  const { clock, watch } = at
  await clock.pass(1_000)
  assert.equal(watch.unable(), null)
  answer = () => Promise.reject(new AnchorageError('unavailable', 'connection refused'))
  await clock.pass(3_000)
  assert.partialDeepStrictEqual(watch.unable(), { what: 'postgres', reason: 'connection refused' })
  const hung = Promise.withResolvers<void>()
  answer = async () => {}
  await clock.pass(3_000)
  assert.equal(watch.unable(), null)
  answer = () => hung.promise
  await clock.pass(7_000)
  assert.equal(watch.unable(), null)
  await clock.pass(6_000)
  const unable = watch.unable()
  assert.equal(unable?.reason, 'Postgres does not answer')
  assert.ok(unable.forMs >= 10_000)
  assert.equal(watch.trouble(), null, 'the call may still succeed')
  hung.resolve()
  await clock.pass(3_000)
  assert.equal(watch.unable(), null)
})

test('signs of life are written one after the other, each as of when it is sent', async () => {
  const written: number[] = []
  const answers: (() => void)[] = []
  let state = 1
  await using at = rig(
    {
      async see(_node, { usedBytes }) {
        await new Promise<void>((resolve) => answers.push(resolve))
        written.push(usedBytes ?? 0)
        return true
      },
    },
    { sign: () => ({ usedBytes: state, capacityBytes: null }) },
  )
  const { clock, watch } = at
  await clock.pass(1)
  const second = watch.signNow()
  state = 2
  await clock.pass(1)
  assert.equal(answers.length, 1, 'the second waits for the first')
  answers[0]?.()
  await clock.pass(1)
  answers[1]?.()
  await second
  assert.deepEqual(written, [1, 2])
})

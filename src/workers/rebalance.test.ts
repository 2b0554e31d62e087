import assert from 'node:assert/strict'
import { test } from 'node:test'
import { epochOf } from '../core/epoch.ts'
import { AnchorageError } from '../core/errors.ts'
import { mintId } from '../core/ids.ts'
import type { Job } from '../core/placement.ts'
import type { Plan } from '../core/plan.ts'
import { rebalance } from './rebalance.ts'
import { silentLog } from '../core/silent-log.ts'

const running = new AbortController().signal

/** A plan with this many moves of 10 bytes each, and the copies under way besides. */
function world(moves: number, limits = { moves: 100, bytes: 1_000_000 }) {
  const plan: Plan = {
    id: mintId('pln'),
    actor: 'ops',
    summary: {},
    state: 'applying',
    createdAt: new Date(),
    moves,
    bytes: 10 * moves,
    done: 0,
    skipped: 0,
    bytesDone: 0,
    bytesSkipped: 0,
  }
  const state = {
    left: moves,
    moving: 0,
    finished: 0,
    maintenance: false,
    unfit: 0,
    acceptMs: null as number | null,
  }
  const hinted: Job[] = []
  const batches: number[] = []
  const refuse = () => {
    if (state.maintenance) throw new AnchorageError('maintenance', 'maintenance is on')
  }
  let nowMs = 0
  const worker = rebalance({
    acceptMs: () => state.acceptMs,
    plans: {
      applying: async () => (plan.state === 'applying' || state.moving > 0 ? plan : null),
      async settleMoves() {
        refuse()
        const done = state.finished
        state.finished = 0
        if (state.left + state.moving === 0) plan.state = 'applied'
        return { done, left: state.left + state.moving }
      },
      async startMoves(_epoch, _id, limit, bytes) {
        refuse()
        batches.push(limit)
        const skipped = Math.min(state.unfit, limit)
        const started = Math.min(limit - skipped, state.left - skipped, Math.ceil(bytes / 10))
        state.unfit -= skipped
        state.left -= started + skipped
        state.moving += started
        const job = { cid: 'c', nodeId: mintId('nod'), orgId: null, generation: 1, attempt: 1 }
        return { jobs: Array.from({ length: started }, () => job), started, skipped }
      },
    },
    copies: { moving: async () => ({ copies: state.moving, bytes: 10 * state.moving }) },
    bus: { publishJobs: async (jobs) => void hinted.push(...jobs) },
    limits,
    clock: { steadyMs: () => (nowMs += 1_000) },
    log: silentLog,
  })
  return {
    plan,
    state,
    hinted,
    batches,
    finish() {
      state.finished += state.moving
      state.moving = 0
    },
    run: (signal = running) => worker.run({ epoch: epochOf('1'), signal }),
  }
}

test('moves slow down for accepts that are slow', async () => {
  const at = world(250)
  at.state.acceptMs = 500
  assert.partialDeepStrictEqual(await at.run(), { started: 8 })
  at.state.acceptMs = null
  assert.partialDeepStrictEqual(await at.run(), { started: 92 })
})

test('a plan is applied a few moves at a time until none is left', async () => {
  const at = world(250)
  assert.partialDeepStrictEqual(await at.run(), { applying: true, started: 100 })
  assert.partialDeepStrictEqual(await at.run(), { started: 0, left: 250 })
  assert.equal(at.hinted.length, 100)
  for (let runs = 0; runs < 3; runs++) {
    at.finish()
    await at.run()
  }
  assert.equal(at.plan.state, 'applied')
  assert.equal(at.hinted.length, 250)
  assert.deepEqual(await at.run(), { applying: false, maintenance: false })
  assert.ok(at.batches.every((limit) => limit <= 64))
})

test('the bytes under way limit moves too', async () => {
  const at = world(250, { moves: 100, bytes: 205 })
  assert.partialDeepStrictEqual(await at.run(), { started: 21 })
})

test('repairs under way come first', async () => {
  const at = world(250)
  at.state.moving = 95
  assert.partialDeepStrictEqual(await at.run(), { started: 5 })
})

test('moves that no longer fit are skipped', async () => {
  const at = world(80)
  at.state.unfit = 70
  assert.partialDeepStrictEqual(await at.run(), { started: 10, skipped: 70 })
})

test('for a paused plan, finished moves are recorded and no move begins', async () => {
  const at = world(250)
  await at.run()
  at.plan.state = 'paused'
  at.state.finished = 40
  at.state.moving = 60
  assert.deepEqual(await at.run(), {
    applying: false,
    maintenance: false,
    done: 40,
    left: 210,
    started: 0,
    skipped: 0,
  })
  assert.equal(at.hinted.length, 100)
})

test('while a plan is paused, and during maintenance, nothing begins, and this is not a failure', async () => {
  const at = world(10)
  at.plan.state = 'paused'
  assert.deepEqual(await at.run(), { applying: false, maintenance: false })
  at.plan.state = 'applying'
  at.state.maintenance = true
  assert.deepEqual(await at.run(), { applying: true, maintenance: true })
  assert.equal(at.state.left, 10)
})

test('lost leadership ends a run', async () => {
  const at = world(250)
  await at.run(AbortSignal.abort())
  assert.equal(at.hinted.length, 0)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { epochOf } from '../core/epoch.ts'
import type { Log } from '../core/ports.ts'
import { fakeClock } from '../../testing/fakes/clock.ts'
import type { Maintenance } from '../core/maintenance.ts'
import { watchdog } from './watchdog.ts'

const signal = new AbortController().signal

function world() {
  const clock = fakeClock()
  const said: string[] = []
  const log: Log = {
    debug() {},
    info() {},
    warn: () => void said.push('warn'),
    error: (_fields, message) => void said.push(message),
    child: () => log,
  }
  const cluster: { maintenance: Maintenance | null } = { maintenance: null }
  const told: (string | null)[] = []
  const worker = watchdog({
    store: {
      maintenance: async () => cluster.maintenance,
      async endMaintenance() {
        const until = cluster.maintenance?.until ?? null
        if (until === null || until.getTime() > clock.now()) return false
        cluster.maintenance = null
        return true
      },
    },
    maxMs: 3_600_000,
    mirror: (maintenance) => void told.push(maintenance?.reason ?? null),
    clock,
    log,
  })
  return {
    clock,
    said,
    told,
    cluster,
    begin(forMs: number | null) {
      const until = forMs === null ? null : new Date(clock.now() + forMs)
      cluster.maintenance = { reason: 'switches', actor: 'ops', since: new Date(clock.now()), until }
    },
    run: () => worker.run({ epoch: epochOf('1'), signal }),
  }
}

test('maintenance ends once at its time, with a warning', async () => {
  const at = world()
  at.begin(60_000)
  await at.clock.pass(59_000)
  assert.partialDeepStrictEqual(await at.run(), { on: true, overdue: false })
  await at.clock.pass(2_000)
  assert.partialDeepStrictEqual(await at.run(), { on: false, ended: true })
  assert.deepEqual(await at.run(), { on: false, overdue: false })
  assert.deepEqual([at.said, at.told], [['warn'], ['switches', null]])
  await at.clock.pass(60_000)
  await at.run()
  assert.deepEqual(at.told, ['switches', null, null], 'sent again, since some nodes may have missed it')
})

test('maintenance without an end of its own stays on, and after its maximum is warned of every minute', async () => {
  const at = world()
  at.begin(null)
  await at.clock.pass(3_599_000)
  assert.partialDeepStrictEqual(await at.run(), { on: true, overdue: false })
  assert.deepEqual(at.said, [])
  for (let seconds = 0; seconds < 180; seconds += 2) {
    await at.clock.pass(2_000)
    assert.partialDeepStrictEqual(await at.run(), { on: true, overdue: true })
  }
  assert.equal(at.said.length, 3)
  assert.match(at.said[0] ?? '', /60 minutes \(ops: switches\)/)
  assert.ok(at.cluster.maintenance !== null, 'and is still set')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mintId } from '../core/ids.ts'
import { fakeClock } from '../../testing/fakes/clock.ts'
import type { Maintenance } from '../core/maintenance.ts'
import type { Report, WorkerStatus } from '../workers/driver.ts'
import { clusterWatch } from './cluster-watch.ts'
import { fakeNode } from '../../testing/fakes/node.ts'
import { silentLog } from '../core/silent-log.ts'

function statusOf(name: string, report: Report): WorkerStatus {
  return { name, running: false, runs: 1, failures: 0, endedAtMs: 0, tookMs: 0, report: { ...report } }
}

async function world() {
  const clock = fakeClock()
  const nudged: string[] = []
  const said: { maintenance: Maintenance | null; confirmed: boolean } = {
    maintenance: null,
    confirmed: false,
  }
  const nodes = [fakeNode({ name: 'a' }), fakeNode({ name: 'b' })]
  const report = { blocked: false, unwanted: 120 }
  const siblings = { siblings: 2, connected: 0, alone: false }
  let onMaintenance = () => {}
  const watch = clusterWatch({
    node: { nodeId: mintId('nod'), incarnation: 1 },
    nodes: () => nodes,
    driver: {
      nudge: (name) => void nudged.push(name),
      reports: () => [statusOf('reconciler', report), statusOf('siblings', siblings)],
    },
    operator: { maintenance: async () => said.maintenance },
    reconcile: { isConfirmed: async () => said.confirmed },
    onMaintenance: (onChange) => {
      onMaintenance = onChange
      return () => {}
    },
    maxMaintenanceMs: 3_600_000,
    clock,
    log: silentLog,
  })
  const stop = new AbortController()
  const running = watch.run(stop.signal)
  await clock.pass(0)
  nudged.length = 0
  return {
    clock,
    watch,
    said,
    nodes,
    report,
    siblings,
    told: () => onMaintenance(),
    /** The workers that are woken within `ms`. */
    async woken(ms = 1_000) {
      nudged.length = 0
      await clock.pass(ms)
      return nudged.toSorted()
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
      assert.equal(clock.sleepers(), 0)
    },
  }
}

test('nodes that come, go or drain wake repair; nodes that come are dialled', async () => {
  await using at = await world()
  assert.deepEqual(await at.woken(), [])
  const [a = assert.fail()] = at.nodes
  a.live = false
  assert.deepEqual(await at.woken(), ['repair'])
  a.live = true
  assert.deepEqual(await at.woken(), ['repair', 'siblings'])
  a.state = 'draining'
  assert.deepEqual(await at.woken(), ['repair'])
  at.nodes.push(fakeNode({ name: 'c' }))
  assert.deepEqual(await at.woken(), ['repair', 'siblings'])
  assert.deepEqual(await at.woken(), [])
})

test('a Kubo that restarted, or that has other addresses, is dialled within a second', async () => {
  await using at = await world()
  const [a = assert.fail()] = at.nodes
  a.kubo = { sinceMs: 1, alone: false }
  assert.deepEqual(await at.woken(), ['siblings'])
  a.kubo = { sinceMs: 1, alone: true }
  assert.deepEqual(await at.woken(), [])
  a.kubo = { sinceMs: 2, alone: false }
  assert.deepEqual(await at.woken(), ['siblings'])
  a.multiaddrs = ['/ip4/192.0.2.1/tcp/4001']
  assert.deepEqual(await at.woken(), ['siblings'])
  assert.deepEqual(await at.woken(), [])
})

test('a Kubo that is connected to no sibling is known from the report of the worker that dials', async () => {
  await using at = await world()
  assert.equal(at.watch.alone(), null)
  at.siblings.alone = true
  assert.equal(at.watch.alone(), 2)
})

test('a blocked reconciler is woken when an operator confirms, and by nothing else', async () => {
  await using at = await world()
  at.said.confirmed = true
  assert.deepEqual(await at.woken(10_000), [])
  at.report.blocked = true
  assert.equal(at.watch.reconcileBlocked(), 120)
  assert.ok((await at.woken(5_000)).includes('reconciler'))
})

test("maintenance is read at once when it changes; its end wakes the leader's workers; maintenance that lasts too long is trouble", async () => {
  await using at = await world()
  const since = new Date(at.clock.now())
  at.said.maintenance = { reason: 'switches', actor: 'ops', since, until: null }
  at.told()
  await at.clock.pass(1_000)
  assert.equal(at.watch.maintenance()?.reason, 'switches')
  assert.equal(at.watch.trouble(), null)
  await at.clock.pass(3_600_000)
  assert.partialDeepStrictEqual(at.watch.trouble(), { what: 'maintenance' })
  at.said.maintenance = null
  assert.deepEqual(await at.woken(6_000), ['rebalance', 'repair', 'requeue-sweeper'])
  assert.equal(at.watch.trouble(), null)
})

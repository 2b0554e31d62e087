import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { mintId } from '../core/ids.ts'
import type { ClusterMeasures } from '../core/measures.ts'
import type { PinStore } from '../core/ports.ts'
import { metricsDocs } from './docs.ts'
import { families, type Family } from './families.ts'
import { metrics } from './metrics.ts'
import type { NodeView } from './node-view.ts'
import { fakeNode } from '../../testing/fakes/node.ts'

const nodes = ['one', 'two'].map((name, i) => fakeNode({ name, live: i === 0 }))
const [one, two] = [nodes[0]?.id ?? assert.fail(), nodes[1]?.id ?? assert.fail()]
const view: NodeView = {
  nowMs: 1_000_000,
  steadyMs: 5_000,
  version: '1.2.3',
  ready: true,
  reasons: [],
  nodes,
  heard: { [two]: 1_500 },
  epoch: null,
  maintenanceSince: null,
  pinning: { queued: 1, active: 2, searching: 3, long: 4, finishing: 5, refused: 6 },
  workers: [{ name: 'repair', runs: 7, failures: 1, endedAtMs: 999_000, tookMs: 20 }],
  reconcileBlocked: null,
  caches: { tokens: { size: 1, hits: 2, misses: 3, invalidations: 4, flushes: 5, version: 6 } },
  kubo: { usedBytes: null, capacityBytes: null },
  disk: null,
  pools: { tenant: { idle: 1, busy: 2, waiting: 3 } },
}
const measures: ClusterMeasures = {
  pins: { queued: 1, pinning: 2, pinned: 3, failed: 4 },
  placements: [
    { nodeId: one, state: 'pinned', reason: 'new', count: 10 },
    { nodeId: two, state: 'pinned', reason: 'new', count: 5 },
    { nodeId: two, state: 'lost', reason: 'new', count: 7 },
    { nodeId: one, state: 'queued', reason: 'node_down', count: 3 },
    { nodeId: one, state: 'failed', reason: 'repair', count: 2 },
    { nodeId: one, state: 'failed', reason: 'new', count: 90 },
    { nodeId: one, state: 'queued', reason: 'drain', count: 80 },
  ],
  unsettled: 6,
  plan: null,
}

test('names of families follow the conventions of Prometheus, and docs/metrics.md lists all families', () => {
  for (const [name, { type }] of Object.entries<Family>(families)) {
    assert.match(name, /^anchorage_[a-z][a-z_]*$/)
    assert.equal(name.endsWith('_total'), type === 'counter', name)
    if (type === 'histogram') assert.match(name, /_(seconds|bytes|pins)$/)
  }
  const page = readFileSync(join(import.meta.dirname, '../../docs/metrics.md'), 'utf8')
  assert.equal(page, metricsDocs(), 'run: anchorage config metrics > docs/metrics.md')
})

test('a scrape shows the node as it is now, and leaves out unknown values instead of showing 0', async () => {
  const nodeMetrics = metrics({ now: () => view.nowMs, steadyMs: () => view.steadyMs })
  const first = await nodeMetrics.text({ ...view, kubo: { usedBytes: 5, capacityBytes: 9 } })
  for (const line of [
    'anchorage_build_info{version="1.2.3"} 1',
    'anchorage_kubo_used_bytes 5',
    'anchorage_jobs{state="active"} 2',
    'anchorage_cache_hits_total{cache="tokens"} 2',
    'anchorage_node_live{node="two"} 0',
    'anchorage_node_working{node="two"} 0',
    'anchorage_presence_age_seconds{node="two"} 1.5',
    'anchorage_worker_last_run_duration_seconds{worker="repair"} 0.02',
    'anchorage_maintenance_age_seconds 0',
    'anchorage_postgres_connections{pool="tenant",state="busy"} 2',
  ])
    assert.ok(first.split('\n').includes(line), line)
  assert.ok(!/^anchorage_(queue_oldest|data_disk)/m.test(first))
  const maintenanceSince = new Date(view.nowMs - 90_000)
  const second = await nodeMetrics.text({
    ...view,
    maintenanceSince,
    reasons: [{ what: 'maintenance' }],
    nodes: [],
  })
  assert.match(second, /^anchorage_maintenance_age_seconds 90$/m)
  assert.match(second, /^anchorage_maintenance_overdue 1$/m)
  assert.match(second, /^anchorage_cache_hits_total\{cache="tokens"\} 2$/m, 'not added to itself')
  assert.ok(!/^anchorage_(kubo_used_bytes|node_live)/m.test(second))
})

test('only the node that leads under the epoch of the measurement shows the values of the cluster', async () => {
  const nodeMetrics = metrics({ now: () => view.nowMs, steadyMs: () => view.steadyMs })
  nodeMetrics.clusterMeasured(measures, 4)
  const cluster = /^anchorage_(pins|placements|copies_missing|contents_unsettled|plan_\w+|measured_\w+)[ {]/m
  assert.ok(!cluster.test(await nodeMetrics.text(view)), 'it leads no longer')
  assert.ok(
    !cluster.test(await nodeMetrics.text({ ...view, epoch: 5 })),
    'it leads again, and has not read yet',
  )
  const text = await nodeMetrics.text({ ...view, epoch: 4 })
  for (const line of [
    'anchorage_leader_epoch 4',
    'anchorage_pins{status="failed"} 4',
    'anchorage_placements{node="two",state="lost",reason="new"} 7',
    'anchorage_copies_missing{cause="node_down"} 5',
    'anchorage_copies_missing{cause="repairing"} 3',
    'anchorage_copies_missing{cause="failed"} 2',
    'anchorage_contents_unsettled 6',
  ])
    assert.ok(text.split('\n').includes(line), line)
})

test('accepts, attempts and renewals are counted as they happen', async () => {
  const nodeMetrics = metrics({ now: () => view.nowMs, steadyMs: () => view.steadyMs })
  const store: PinStore = {
    acceptPins: async (_org, pins) => (pins.length === 3 ? [] : Promise.reject(new Error('away'))),
    replacePin: () => assert.fail(),
    removePin: () => assert.fail(),
    crowded: () => assert.fail(),
    getPin: () => assert.fail(),
    listPins: () => assert.fail(),
  }
  const watched = nodeMetrics.watched(store)
  const pin = { id: mintId('pin'), cid: 'c', cidText: 'c', replicas: 1, actor: mintId('tok'), nodes: [] }
  await watched.acceptPins(mintId('org'), [pin, pin, pin], false)
  await assert.rejects(watched.acceptPins(mintId('org'), [pin], false), /away/)
  nodeMetrics.ended({ ageMs: 1_000 }, { kind: 'pinned', blocks: 1, bytes: 10, foreignPin: false }, 500)
  nodeMetrics.ended({ ageMs: 9 }, { kind: 'retry', errorCode: 'stalled', error: 'x', delayMs: 1 }, 500)
  nodeMetrics.renewed(true, 20)
  nodeMetrics.renewed(false, 9_000)
  nodeMetrics.termEnded('database')
  nodeMetrics.refused('pins of one org')
  nodeMetrics.answered({ method: 'GET', route: '/v1/pins', status: 200, ms: 20 })
  nodeMetrics.queueMeasured(2_500)
  const text = await nodeMetrics.text(view)
  for (const line of [
    'anchorage_accept_batch_pins_sum 3',
    'anchorage_accept_duration_seconds_count 2',
    'anchorage_accept_failures_total 1',
    'anchorage_attempts_total{outcome="pinned",code=""} 1',
    'anchorage_attempts_total{outcome="retry",code="stalled"} 1',
    'anchorage_pin_duration_seconds_sum 1.5',
    'anchorage_pinned_bytes_total 10',
    'anchorage_lease_renewals_total{result="renewed"} 1',
    'anchorage_lease_renewals_total{result="failed"} 1',
    'anchorage_lease_renewal_late_seconds_sum 0.02',
    'anchorage_leader_terms_ended_total{reason="database"} 1',
    'anchorage_limit_refusals_total{limit="pins of one org"} 1',
    'anchorage_queue_oldest_seconds 2.5',
    'anchorage_http_request_duration_seconds_bucket{le="0.025",method="GET",route="/v1/pins",status="200"} 1',
  ])
    assert.ok(text.split('\n').includes(line), line)
  const later = await nodeMetrics.text({ ...view, steadyMs: view.steadyMs + 90_000 })
  assert.ok(!/^anchorage_queue_oldest/m.test(later), 'an old answer says nothing about the present')
})

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { startCollector } from '../../testing/servers/trace-collector.ts'
import { readJob, writeJob } from '../cluster/job-message.ts'
import { AnchorageError } from '../core/errors.ts'
import { mintId } from '../core/ids.ts'
import type { Claim, Job } from '../core/placement.ts'
import type { Bus } from '../core/ports.ts'
import { silentLog } from '../core/silent-log.ts'
import { kubo } from '../ipfs/kubo.ts'
import { openTracing } from './tracing.ts'
import { readTraceparent, writeTraceparent } from './traceparent.ts'

const head = { method: 'POST', route: '/v1/pins', requestId: 'r-1', traceparent: undefined }
const claim: Claim = {
  cid: 'bafy-of-an-org',
  generation: 7,
  work: 'pin',
  attempt: 2,
  origins: [],
  holders: [],
  verify: false,
  ageMs: 0,
  foreignPin: false,
}
const job: Job = { cid: claim.cid, nodeId: mintId('nod'), orgId: mintId('org'), generation: 7, attempt: 2 }

/** Two nodes that share one wire: the second consumes what the first publishes. */
async function rig(percent = 100) {
  const collector = await startCollector()
  const node = (name: string) => {
    const service = { version: '0', nodeId: name, nodeName: name }
    return openTracing({ endpoint: collector.url, percent, service, log: silentLog })
  }
  const [first, second] = [node('first'), node('second')]
  const sent: string[] = []
  const wire: Bus = {
    trouble: () => null,
    publishJobs: async (jobs) => void sent.push(...jobs.map(writeJob)),
    async consumeJobs(nodeId, _maxPending, onJob) {
      for (const text of sent) await onJob(readJob(nodeId, text) ?? assert.fail('unreadable'))
    },
  }
  const hand = () => second.bus(wire).consumeJobs(job.nodeId, 1, async () => {}, new AbortController().signal)
  return { collector, first, second, wire, hand }
}

test('an attempt on another node joins the trace of the request that its hint came from; without a hint it begins a trace', async () => {
  const { collector, first, second, wire, hand } = await rig()
  await using _ = collector
  const request = first.request?.(head) ?? assert.fail('not traced')
  await request.run(() => first.bus(wire).publishJobs([job]))
  request.end(202)
  await hand()
  await second.attempts.attempt(claim, async () => ({ kind: 'unpinned' }))
  await second.attempts.attempt({ ...claim, generation: 8 }, async () => ({ kind: 'released' }))
  await Promise.all([first[Symbol.asyncDispose](), second[Symbol.asyncDispose]()])
  const [root, hint] = ['POST /v1/pins', 'publish hints'].map((name) =>
    collector.spans.find((span) => span.name === name),
  )
  const [told, untold] = [7, 8].map((generation) =>
    collector.spans.find(({ attributes }) => attributes['anchorage.placement.generation'] === generation),
  )
  assert.equal(told?.parentSpanId, hint?.spanId)
  assert.equal(told?.traceId, root?.traceId)
  assert.equal(told?.from['anchorage.node.name'], 'second')
  assert.ok(untold !== undefined && untold.traceId !== root?.traceId && !untold.parentSpanId)
})

test('a request that is not sampled is not recorded on any node', async () => {
  const { collector, first, second, wire, hand } = await rig(1)
  await using _ = collector
  let published = 0
  for (let n = 0; n < 200; n++) {
    const request = first.request?.(head) ?? assert.fail('not traced')
    await request.run(() => first.bus(wire).publishJobs([{ ...job, generation: n }]))
    request.end(202)
    published++
  }
  await hand()
  for (let n = 0; n < published; n++)
    await second.attempts.attempt({ ...claim, generation: n }, async () => ({ kind: 'unpinned' }))
  await Promise.all([first[Symbol.asyncDispose](), second[Symbol.asyncDispose]()])
  const of = (name: string) =>
    collector.spans.filter((span) => span.name === name).map(({ traceId }) => traceId)
  assert.ok(of('POST /v1/pins').length < 40)
  assert.deepEqual(of('pin a placement').toSorted(), of('POST /v1/pins').toSorted())
})

test('a call to Kubo within an attempt carries its trace; a call outside of attempts, and one of a loop that an attempt starts, carry none', async () => {
  const { collector, second } = await rig()
  await using _ = collector
  await using server = await startKeys()
  const { traceparent } = second
  await using plain = kubo({ rpcUrl: server.url, pinName: 'ours', allowPrivateOrigins: false, traceparent })
  const ipfs = second.ipfs(plain)
  const { signal } = new AbortController()
  await ipfs.pinned(job.cid, signal)
  await second.attempts.attempt(claim, async () => {
    await ipfs.pinned(job.cid, signal)
    await plain.pinned(job.cid, signal)
    return { kind: 'released' }
  })
  await second[Symbol.asyncDispose]()
  const look = collector.spans.find(({ name }) => name === 'kubo look')
  assert.deepEqual(server.told, [undefined, `00-${look?.traceId}-${look?.spanId}-01`, undefined])
})

/** Answers every call as Kubo does when our pin exists, and records the traceparent of each call. */
async function startKeys() {
  const told: unknown[] = []
  const server = createServer(({ headers }, response) => {
    told.push(headers['traceparent'])
    response.end('{"Keys":{"a":{"Type":"recursive","Name":"ours"}}}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return {
    url: `http://127.0.0.1:${address.port}`,
    told,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

test('the span of writing an outcome lies within the span of its attempt', async () => {
  const { collector, second } = await rig()
  await using _ = collector
  await second.attempts.attempt(claim, async () => {
    assert.equal(await second.attempts.outcome(async () => 7), 7)
    return { kind: 'unpinned' }
  })
  await second[Symbol.asyncDispose]()
  const [attempt, write] = ['pin a placement', 'write the outcome'].map((name) =>
    collector.spans.find((span) => span.name === name),
  )
  assert.ok(write !== undefined && write.parentSpanId === attempt?.spanId)
})

test('errors pass through unchanged, and a trace contains only their codes', async () => {
  const { collector, first, second } = await rig()
  await using _ = collector
  const refused = new AnchorageError('over_quota', 'bafy-of-an-org is too much')
  const failing = first.pins({
    create: () => Promise.reject(refused),
    replace: () => Promise.reject(refused),
    remove: () => Promise.reject(refused),
    get: () => Promise.reject(refused),
    list: () => Promise.reject(refused),
  })
  const principal = {
    orgId: mintId('org'),
    actor: mintId('tok'),
    scopes: new Set<never>(),
    until: new Date(),
  }
  const request = first.request?.(head) ?? assert.fail('not traced')
  await assert.rejects(
    request.run(() => failing.create(principal, { cid: claim.cid })),
    (error) => error === refused,
  )
  request.end(503)
  await second.attempts.attempt(claim, async () => ({
    kind: 'failed',
    errorCode: 'bad_content',
    error: 'bafy-of-an-org is none',
  }))
  await Promise.all([first[Symbol.asyncDispose](), second[Symbol.asyncDispose]()])
  const statuses = collector.spans.map(({ name, status }) => [name, status])
  assert.deepEqual(Object.fromEntries(statuses), {
    'POST /v1/pins': { code: 2 },
    'accept a pin': { code: 2, message: 'over_quota' },
    'pin a placement': { code: 2, message: 'bad_content' },
  })
  assert.doesNotMatch(collector.bodies.join(), /bafy/)
})

test('a traceparent is read as W3C Trace Context defines it, and anything else is ignored', () => {
  const sampled = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const read = readTraceparent(sampled)
  assert.equal(read && writeTraceparent(read), sampled)
  assert.equal(readTraceparent('cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more')?.traceFlags, 1)
  const none = [
    undefined,
    '',
    'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01',
    '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01',
    `${sampled}x`,
  ]
  assert.deepEqual(
    none.map((text) => readTraceparent(text)),
    none.map(() => undefined),
  )
})

test('the modules of tracing are loaded only when there is an endpoint', async () => {
  const off = await loadedWith({ percent: 100 })
  assert.equal(off(/src\/app\/node\.ts$/).length, 1)
  assert.deepEqual(off(/src\/tracing\//), [])
  // prom-client itself loads the API, which does nothing without the SDK.
  assert.deepEqual(off(/@opentelemetry\//, /prom-client|@opentelemetry\/api\//), [])
  const on = await loadedWith({ percent: 100, endpoint: 'http://127.0.0.1:9/v1/traces' })
  assert.ok(on(/src\/tracing\/tracing\.ts$/).length > 0 && on(/@opentelemetry\/sdk-trace\//).length > 0)
})

/**
 * Finds modules that a node loads when its config has this `tracing`: those that match `pattern`, except those imported by modules that
 * match `except`.
 */
async function loadedWith(tracing: { percent: number; endpoint?: string }) {
  const app = join(import.meta.dirname, '../app')
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({
      resolve(name, context, next) {
        const to = next(name, context)
        loaded.push({ url: to.url, by: context.parentURL })
        return to
      },
    })
    await import(${JSON.stringify(join(app, 'node.ts'))})
    const { tracingOf } = await import(${JSON.stringify(join(app, 'tracing.ts'))})
    await using undo = new AsyncDisposableStack()
    await tracingOf(${JSON.stringify({ tracing, node: { name: 'a' } })}, { nodeId: 'nod_a' }, {}, undo)
    console.log(JSON.stringify(loaded))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  const loaded: { url: string; by: string }[] = JSON.parse(stdout)
  return (pattern: RegExp, except?: RegExp) =>
    loaded.filter(({ url, by }) => pattern.test(url) && except?.test(by) !== true)
}

// Worlds of its own: tracing is switched on when nodes start, and the second world loses its nats-server for good.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { bodyOf, type WireStatus } from '../testing/clients/api.ts'
import { freshBlocks } from '../testing/content.ts'
import { patience } from '../testing/patience.ts'
import { until } from '../testing/settle.ts'
import { startCollector, type Span } from '../testing/servers/trace-collector.ts'
import { World } from '../testing/world/world.ts'

test('one trace leads from a POST on one node to the pin in the Kubo of another, and contains no text from orgs', async () => {
  await using collector = await startCollector()
  await using world = await World.start({
    nodes: 3,
    env: {
      ANCHORAGE_TRACING_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer collector',
    },
  })
  await world.well()
  const token = await world.value('ANCHORAGE_TOKEN')
  const known = '0af7651916cd43dd8448eb211c80319c'
  const pins: Posted[] = []
  // A CID may be placed on the node that it was sent to. While JetStream elects the leader of a consumer, a node reads its work from
  // Postgres, which begins a new trace. So pins are sent until one of them reaches another node by its hint.
  const trace = await until(
    'a trace over two nodes',
    async () => {
      pins.push(await postNew(world, pins.length, { traceparent: `00-${known}-b7ad6b7169203331-01` }))
      const traces = pins.map(({ requestId }) => traceOf(collector.spans, requestId))
      return traces.find(isWhole) ?? assert.fail(`seen: ${traces.map(inWords).join('; ')}`)
    },
    { withinMs: patience.longMs, everyMs: 250 },
  )
  const { request, accept, publish, attempt, kubo, write } = trace
  assert.deepEqual(
    [request, accept, publish, attempt, kubo, write].map((span) => span?.parentSpanId),
    [undefined, request.spanId, accept?.spanId, publish?.spanId, attempt?.spanId, attempt?.spanId],
  )
  assert.deepEqual([request.kind, publish?.kind, attempt?.kind, kubo?.kind], [2, 4, 5, 3])
  assert.equal(request.name, 'POST /v1/pins')
  assert.equal(request.attributes['http.response.status_code'], 202)
  assert.equal(attempt?.attributes['anchorage.outcome'], 'pinned')
  assert.equal(request.from['service.name'], 'anchorage')
  // The client's trace is linked, not continued.
  assert.deepEqual(
    request.links.map(({ traceId }) => traceId),
    [known],
  )
  assert.ok(collector.spans.every(({ traceId }) => traceId !== known))
  assert.equal(collector.headers()['authorization'], 'Bearer collector')
  // Probes begin no traces, and work of the loops belongs to no request.
  const roots = new Set(collector.spans.filter(({ parentSpanId }) => !parentSpanId).map(({ name }) => name))
  assert.deepEqual(
    [...roots].filter((name) => /health|ready|kubo|publish/.test(name)),
    [],
  )

  const sent = collector.bodies.join('\n')
  for (const { cid, name } of pins) for (const named of [cid, name]) assert.ok(!sent.includes(named), named)
  assert.ok(!sent.includes(token.split('.')[2] ?? ''))
})

test('without NATS, the node that accepted a pin continues its trace, and so does Kubo; an unreachable collector delays nothing', async () => {
  await using collector = await startCollector()
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-kubo-traces-'))
  const kuboTraces = join(dir, 'traces.json')
  await using world = await World.start({
    restartAfter: 0,
    env: {
      ANCHORAGE_TRACING_ENDPOINT: collector.url,
      // Kubo's own traces, by its own exporter.
      OTEL_TRACES_EXPORTER: 'file',
      OTEL_EXPORTER_FILE_PATH: kuboTraces,
    },
  })
  await world.kill('nats')
  await until('the node knows', async () => (await world.ready()).reasons.some(({ what }) => what === 'nats'))
  const alone = await postNew(world, 1)
  const trace = await until('the trace', () => {
    const found = traceOf(collector.spans, alone.requestId)
    return found?.kubo !== undefined && found.write !== undefined && found
  })
  assert.equal(trace.publish?.status.message, 'unavailable')
  assert.equal(trace.attempt?.parentSpanId, trace.publish?.spanId)
  await until('Kubo continued with it', async () => {
    const lines = (await readFile(kuboTraces, 'utf8')).split('\n').filter(Boolean)
    const parents = lines.map((line): { Parent: Record<string, string> } => JSON.parse(line))
    return parents.some(
      ({ Parent }) => Parent['TraceID'] === trace.request.traceId && Parent['SpanID'] === trace.kubo?.spanId,
    )
  })

  await collector[Symbol.asyncDispose]()
  const { requestid } = await postNew(world, 2)
  const api = await world.api()
  await until('pinned', async () => (await api.get(requestid)).status === 'pinned')
  const told = await until('the log tells of the collector', async () => {
    const lines = (await world.nodeLog()).filter(({ part, level }) => part === 'tracing' && level === 'warn')
    return lines.length > 0 && lines
  })
  assert.match(told[0]?.msg ?? '', /tracing\.endpoint/)
  await rm(dir, { recursive: true })
})

interface Posted {
  cid: string
  name: string
  requestid: string
  /** The id of the request, from `x-request-id`. */
  requestId: string
}

/** Pins content that every Kubo has already, through the first node, and resolves with its ids. */
async function postNew(world: World, n: number, headers: Record<string, string> = {}): Promise<Posted> {
  const [block] = await freshBlocks(1)
  assert.ok(block)
  for (const each of world.nodes) await (await world.kubo(each)).put([block])
  const name = `a unique name ${n}`
  const answer = await (await world.api(1)).send('POST', '/pins', { body: { cid: block.cid, name }, headers })
  const { requestid } = bodyOf<WireStatus>(answer, 202)
  return { cid: block.cid, name, requestid, requestId: answer.headers.get('x-request-id') ?? '' }
}

interface Parts {
  request: Span
  accept: Span | undefined
  publish: Span | undefined
  attempt: Span | undefined
  kubo: Span | undefined
  write: Span | undefined
}

/** The trace of the request with this id, as far as it has arrived. Among its attempts, one on another node is preferred. */
function traceOf(spans: readonly Span[], requestId: string): Parts | null {
  const request = spans.find(({ attributes }) => attributes['anchorage.request.id'] === requestId)
  if (request === undefined) return null
  const trace = spans.filter(({ traceId }) => traceId === request.traceId)
  const named = (name: string) => trace.filter((span) => span.name === name)
  const attempts = named('pin a placement')
  const attempt = attempts.find((span) => nodeOf(span) !== nodeOf(request)) ?? attempts[0]
  return {
    request,
    accept: named('accept a pin')[0],
    publish: named('publish hints')[0],
    attempt,
    kubo: named('kubo pin').find(({ parentSpanId }) => parentSpanId === attempt?.spanId),
    write: named('write the outcome').find(({ parentSpanId }) => parentSpanId === attempt?.spanId),
  }
}

/** Which parts of a trace have arrived, and from which nodes. */
function inWords(trace: Parts | null): string {
  if (trace === null) return 'nothing'
  const parts = Object.entries(trace).filter(([, span]) => span !== undefined)
  return parts.map(([part, span]) => `${part} on ${String(span?.from['anchorage.node.name'])}`).join(', ')
}

/** Each node sends its spans at its own times, so any of them may arrive last. */
function isWhole(trace: Parts | null): trace is Parts {
  return (
    trace?.accept !== undefined &&
    trace.publish !== undefined &&
    trace.kubo !== undefined &&
    trace.write !== undefined &&
    nodeOf(trace.kubo) !== nodeOf(trace.request)
  )
}

function nodeOf(span: Span): unknown {
  return span.from['service.instance.id']
}

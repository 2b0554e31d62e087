import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'

/** A span as it was received, with its attributes flattened. */
export interface Span {
  traceId: string
  spanId: string
  parentSpanId: string | undefined
  name: string
  kind: number
  status: { code?: number; message?: string }
  links: { traceId: string; spanId: string }[]
  attributes: Record<string, unknown>
  /** The resource attributes of the sender. */
  from: Record<string, unknown>
  startMs: number
  endMs: number
}

/** An OTLP/HTTP collector for tests: it keeps everything it receives. */
export interface Collector extends AsyncDisposable {
  /** The value for `tracing.endpoint`. */
  url: string
  spans: Span[]
  /** All bodies, unchanged. */
  bodies: string[]
  /** The headers of the last request. */
  headers(): NodeJS.Dict<string | string[]>
}

/** Accepts OTLP/HTTP (JSON, POST, `/v1/traces`), and refuses everything else. */
export async function startCollector(): Promise<Collector> {
  const spans: Span[] = []
  const bodies: string[] = []
  let headers: NodeJS.Dict<string | string[]> = {}
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request)
    const isOtlp = request.method === 'POST' && request.url === '/v1/traces'
    if (!isOtlp || request.headers['content-type'] !== 'application/json') {
      response.writeHead(400).end()
      return
    }
    headers = request.headers
    bodies.push(body)
    spans.push(...spansIn(JSON.parse(body)))
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  }
  const server = createServer((request, response) => void take(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/v1/traces`,
    spans,
    bodies,
    headers: () => headers,
    async [Symbol.asyncDispose]() {
      if (!server.listening) return
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

interface KeyValue {
  key: string
  value: Record<string, unknown>
}
interface WireSpan extends Omit<Span, 'attributes' | 'from' | 'links' | 'startMs' | 'endMs'> {
  attributes: KeyValue[]
  links?: Span['links']
  startTimeUnixNano: string
  endTimeUnixNano: string
}
interface Export {
  resourceSpans: { resource: { attributes: KeyValue[] }; scopeSpans: { spans: WireSpan[] }[] }[]
}

function spansIn({ resourceSpans }: Export): Span[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ attributes, links = [], startTimeUnixNano, endTimeUnixNano, ...span }) => ({
        ...span,
        links,
        attributes: flat(attributes),
        from: flat(resource.attributes),
        startMs: Number(BigInt(startTimeUnixNano) / 1_000_000n),
        endMs: Number(BigInt(endTimeUnixNano) / 1_000_000n),
      })),
    ),
  )
}

function flat(attributes: KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}

/**
 * The load generator: a program of its own, so that it does not share an event loop with anything that is measured.
 * Reads one `Load` as JSON from standard input, sends it, prints one `LoadResult`.
 */
import { text } from 'node:stream/consumers'
import { Pool } from 'undici'
import { eachInFlight } from '../test/settle.ts'
import { quantile } from './statistics.ts'

export interface Load {
  origin: string
  headers: Record<string, string>
  method: 'GET' | 'POST'
  inFlight: number
  /** Any other status fails the whole load. */
  expect: number
  requests: { path: string; body?: string }[]
}

export interface LoadResult {
  seconds: number
  perSecond: number
  p50Ms: number
  p99Ms: number
}

if (import.meta.main) {
  const load: Load = JSON.parse(await text(process.stdin))
  process.stdout.write(JSON.stringify(await send(load)))
}

async function send({ origin, headers, method, inFlight, expect, requests }: Load): Promise<LoadResult> {
  const pool = new Pool(origin, {
    connections: inFlight,
    pipelining: 1,
    headersTimeout: 120_000,
    bodyTimeout: 120_000,
  })
  const started = performance.now()
  const times = await eachInFlight(requests, inFlight, async ({ path, body }) => {
    const sent = performance.now()
    const response = await pool.request({ path, method, headers, ...(body === undefined ? {} : { body }) })
    const said = await response.body.text()
    if (response.statusCode !== expect) throw new Error(`${method} ${path}: ${response.statusCode} ${said}`)
    return performance.now() - sent
  })
  const seconds = (performance.now() - started) / 1000
  await pool.close()
  return {
    seconds,
    perSecond: requests.length / seconds,
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
  }
}

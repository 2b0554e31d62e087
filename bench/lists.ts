import { strict as assert } from 'node:assert'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import { allStatuses } from '../testing/clients/api.ts'
import { freshBlocks } from '../testing/content.ts'
import { kuboRpc } from '../testing/clients/kubo-rpc.ts'
import { familiesIn, scrape, shownIn } from '../testing/clients/scrape.ts'
import { eachInFlight, until } from '../testing/settle.ts'
import type { World } from '../testing/world/world.ts'
import { groupSize, seedPins } from './seed.ts'
import { median, quantile } from './statistics.ts'

export interface ListsResult {
  /** Medians in milliseconds, one request at a time. */
  requests: { what: string; broad: boolean; smallMs: number; largeMs: number; ratio: number }[]
  rss: { smallMiB: number; largeMiB: number; ratio: number }
  /** Requests to /metrics, while both orgs have their pins. */
  scrape: { p50Ms: number; p99Ms: number; families: number; bytes: number }
}

/** One kind of request, for an org of a given size. */
interface Kind {
  what: string
  /** The query matches far more than a page, so its goal is an absolute time and not a ratio. */
  broad: boolean
  query(org: SeededOrg): string
}

interface SeededOrg {
  /** An HTTP client with little overhead: the overhead of fetch would hide part of the difference. */
  client: Pool
  /** The path of the API. */
  base: string
  headers: Record<string, string>
  /** The id of one pin in the middle. */
  requestid: string
  cid: string
  /** `created` of the last pin before page 500 of a large org, or 50 of a small one. */
  deep: string
}

const list = (filters: Record<string, string>): string =>
  `/pins?${new URLSearchParams({ limit: '10', ...filters })}`
const all = { status: allStatuses }

const kinds: Kind[] = [
  { what: 'get one', broad: false, query: (org) => `/pins/${org.requestid}` },
  { what: 'list of 10, page 1', broad: false, query: () => list(all) },
  {
    what: 'list of 10, page 500 (of 1,000 pins: 50)',
    broad: false,
    query: (org) => list({ ...all, before: org.deep }),
  },
  { what: 'list by status, page 1', broad: false, query: () => list({ status: 'pinned' }) },
  {
    what: 'list by status, page 500 (of 1,000 pins: 50)',
    broad: false,
    query: (org) => list({ status: 'pinned', before: org.deep }),
  },
  { what: 'list by name, 100 match', broad: false, query: () => list({ ...all, name: 'File-7.bin' }) },
  { what: 'list by cid, 100 match', broad: false, query: (org) => list({ ...all, cid: org.cid }) },
  { what: 'list by meta, 100 match', broad: false, query: () => list({ ...all, meta: '{"group":"7"}' }) },
  { what: 'list by meta, all match', broad: true, query: () => list({ ...all, meta: '{"all":"yes"}' }) },
  {
    what: 'list by two metas, 100 match',
    broad: true,
    query: () => list({ ...all, meta: '{"all":"yes","group":"7"}' }),
  },
  {
    what: 'list by name, iexact, 100 match',
    broad: true,
    query: () => list({ ...all, name: 'fILE-7.BIN', match: 'iexact' }),
  },
  {
    what: 'list by name, partial, 100 match',
    broad: true,
    query: () => list({ ...all, name: 'ile-7.', match: 'partial' }),
  },
  {
    what: 'list by name, partial, all match',
    broad: true,
    query: () => list({ ...all, name: 'ile-', match: 'partial' }),
  },
  {
    what: 'list by name, partial, none match',
    broad: true,
    query: () => list({ ...all, name: 'nothing', match: 'partial' }),
  },
  {
    what: 'list by name, ipartial, 100 match',
    broad: true,
    query: () => list({ ...all, name: 'FILE-7.', match: 'ipartial' }),
  },
]

/** Measures single requests and the node's memory, for an org of 1,000 pins and for one of `large` pins. */
export async function benchLists(
  world: World,
  large: number,
  say: (line: string) => void,
): Promise<ListsResult> {
  const cids = await standingContent(world, large / groupSize)
  const small = await seededOrg(world, 'small', 1000, cids)
  const smallMiB = await restingMemory(world, small)
  say(`seeding ${large} pins`)
  const big = await seededOrg(world, 'large', large, cids)
  const largeMiB = await restingMemory(world, big)
  const requests = []
  for (const kind of kinds) {
    const times = await interleaved(kind, small, big, kind.broad ? 40 : 400)
    requests.push({ what: kind.what, broad: kind.broad, ...times, ratio: times.largeMs / times.smallMs })
  }
  const scrape = await scraped(world, big.client)
  await Promise.all([small.client.close(), big.client.close()])
  return { requests, rss: { smallMiB, largeMiB, ratio: largeMiB / smallMiB }, scrape }
}

/** Measures scrapes, once the node has counted the seeded pins. */
async function scraped(world: World, client: Pool): Promise<ListsResult['scrape']> {
  await until('the leader has counted the pins', async () =>
    shownIn(await scrape(world)).some(({ name, value }) => name === 'anchorage_pins' && value > 100_000),
  )
  const times: number[] = []
  for (let n = 0; n < 400; n++) {
    const started = performance.now()
    const { statusCode, body } = await client.request({ method: 'GET', path: '/metrics' })
    assert.equal(statusCode, 200, await body.text())
    times.push(performance.now() - started)
  }
  const text = await scrape(world)
  const p99Ms = quantile(times, 0.99)
  return { p50Ms: median(times), p99Ms, families: familiesIn(text).length, bytes: text.length }
}

/** Pins content through the API, so that the seeded pins refer to content that is really pinned. */
async function standingContent(world: World, count: number): Promise<string[]> {
  const api = await world.api()
  const blocks = await freshBlocks(count)
  await kuboRpc(await world.value('KUBO_RPC_1')).put(blocks)
  await eachInFlight(blocks, 16, (block) => api.post({ cid: block.cid }))
  await until('the content is pinned', async () => (await api.list({ status: 'pinned' })).count === count, {
    withinMs: 120_000,
  })
  return blocks.map((block) => block.cid)
}

async function seededOrg(world: World, slug: string, pins: number, cids: string[]): Promise<SeededOrg> {
  const api = await world.newOrg(slug)
  const [systemUrl, ownerUrl] = [await world.value('DATABASE_SYSTEM_URL'), await world.value('DATABASE_URL')]
  await seedPins({ systemUrl, ownerUrl, slug, cids, pins })
  const deepAt = (pins > 10_000 ? 499 : 49) * 10
  let page = await api.list({ ...all, limit: '1000' })
  for (let at = 0; at + 1000 < deepAt; at += 1000) {
    page = await api.list({ ...all, limit: '1000', before: page.results.at(-1)?.created ?? '' })
  }
  const deep = page.results[(deepAt - 1) % 1000] ?? assert.fail('the org has fewer pins than it should have')
  const one = page.results[500] ?? deep
  const { origin, pathname: base } = new URL(api.url)
  const client = new Pool(origin, { connections: 1, pipelining: 1 })
  const headers = { authorization: `Bearer ${api.token}` }
  return { client, base, headers, requestid: one.requestid, cid: cids[7] ?? one.pin.cid, deep: deep.created }
}

/** Sends the same requests to both orgs in turn, so that both meet the same conditions. */
async function interleaved(
  kind: Kind,
  small: SeededOrg,
  large: SeededOrg,
  rounds: number,
): Promise<{ smallMs: number; largeMs: number }> {
  const times: Record<'small' | 'large', number[]> = { small: [], large: [] }
  for (let n = 0; n < rounds; n++) {
    times.small.push(await timed(small, kind.query(small)))
    times.large.push(await timed(large, kind.query(large)))
  }
  // the first tenth is a warm-up
  const steady = (of: number[]): number => median(of.slice(Math.ceil(rounds / 10)))
  return { smallMs: steady(times.small), largeMs: steady(times.large) }
}

async function timed(org: SeededOrg, path: string): Promise<number> {
  const started = performance.now()
  const { statusCode, body } = await org.client.request({
    method: 'GET',
    path: org.base + path,
    headers: org.headers,
  })
  const said = await body.text()
  const took = performance.now() - started
  assert.equal(statusCode, 200, said)
  return took
}

/**
 * Resident memory of a fresh node process after the same work on an org of either size: every kind of request, and a hundred deep
 * pages.
 */
async function restingMemory(world: World, org: SeededOrg): Promise<number> {
  const pid = await world.restarted('node', await world.kill('node'))
  for (let round = 0; round < 20; round++) for (const kind of kinds) await timed(org, kind.query(org))
  for (let page = 0; page < 100; page++) await timed(org, list({ ...all, limit: '100', before: org.deep }))
  const samples: number[] = []
  for (let n = 0; n < 10; n++) {
    await sleep(300)
    samples.push(await residentMiB(pid))
  }
  return median(samples)
}

async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024
}

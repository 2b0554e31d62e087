import { apiOf, type Api } from '../testing/clients/api.ts'
import { freshBlocks, lostCid } from '../testing/content.ts'
import { kuboRpc } from '../testing/clients/kubo-rpc.ts'
import { eachInFlight, until } from '../testing/settle.ts'
import type { World } from '../testing/world/world.ts'
import type { Load } from './load.ts'
import { runLoad } from './run-load.ts'
import { groupSize, seedPins } from './seed.ts'
import { quantile } from './statistics.ts'

/** The time of one org's list of ten, one request at a time: alone, and beside another org that causes as much load as it can. */
export interface NeighboursResult {
  calm: Times
  beside: (Times & { what: string; ratio: number })[]
}

interface Times {
  p50Ms: number
  p99Ms: number
}

interface Harm {
  what: string
  load: Pick<Load, 'method' | 'inFlight' | 'expect'>
  request: Load['requests'][number]
}

/** Pins of the loud org, and how many of them have the largest `meta` that a pin may have. */
const seeded = 100_000
const largest = 300
const measureMs = 5_000

export async function benchNeighbours(world: World, say: (line: string) => void): Promise<NeighboursResult> {
  const [loud, quiet] = [await world.newOrg('loud'), await world.newOrg('quiet')]
  say(`seeding ${seeded} pins`)
  await seed(world, loud, quiet)
  const calm = await timed(quiet)
  const beside: NeighboursResult['beside'] = []
  for (const harm of harms(new URL(loud.url).pathname)) {
    const times = await timedBeside(quiet, loud, harm)
    beside.push({ what: harm.what, ...times, ratio: times.p99Ms / calm.p99Ms })
    say(`${harm.what}: p99 ${times.p99Ms.toFixed(0)} ms, alone ${calm.p99Ms.toFixed(0)}`)
  }
  return { calm, beside }
}

async function seed(world: World, loud: Api, quiet: Api): Promise<void> {
  const blocks = await freshBlocks(seeded / groupSize)
  await kuboRpc(await world.value('KUBO_RPC_1')).put(blocks)
  await eachInFlight(blocks, 16, (block) => quiet.post({ cid: block.cid }))
  const stand = async () => (await quiet.list({ status: 'pinned' })).count === blocks.length
  await until('the content is pinned', stand)
  const [systemUrl, ownerUrl] = [await world.value('DATABASE_SYSTEM_URL'), await world.value('DATABASE_URL')]
  const cids = blocks.map(({ cid }) => cid)
  await seedPins({ systemUrl, ownerUrl, slug: 'loud', cids, pins: seeded })
  const meta = { blob: '\u0001'.repeat(16_000) }
  const names = Array.from({ length: largest }, (_, n) => `large ${n}`)
  await eachInFlight(names, 16, async (name) => loud.post({ cid: await lostCid(), name, meta }))
}

function harms(base: string): Harm[] {
  const list = (filters: Record<string, string>) =>
    `${base}/pins?${new URLSearchParams({ status: 'queued,pinning,pinned,failed', ...filters })}`
  const pairs = Object.fromEntries([
    ['all', 'yes'],
    ...Array.from({ length: 9 }, (_, n) => [`key ${n}`, 'x']),
  ])
  const body = JSON.stringify({ cid: 'x', name: 'x'.repeat(250_000) })
  const get = (inFlight: number): Harm['load'] => ({ method: 'GET', inFlight, expect: 200 })
  return [
    {
      what: 'pages of the largest pins, 32 at once',
      load: get(32),
      request: { path: list({ limit: '1000' }) },
    },
    {
      what: 'partial searches, 50 at once',
      load: get(50),
      request: { path: list({ name: 'nothing', match: 'partial' }) },
    },
    {
      what: 'filters of ten pairs, 50 at once',
      load: get(50),
      request: { path: list({ meta: JSON.stringify(pairs) }) },
    },
    {
      what: 'bodies that are refused, 64 at once',
      load: { method: 'POST', inFlight: 64, expect: 400 },
      request: { path: `${base}/pins`, body },
    },
  ]
}

async function timedBeside(quiet: Api, loud: Api, { load, request }: Harm): Promise<Times> {
  let over = false
  const headers = { authorization: `Bearer ${loud.token}`, 'content-type': 'application/json' }
  const harm = async (): Promise<void> => {
    const requests = Array.from({ length: 4 * load.inFlight }, () => request)
    while (!over) await runLoad({ ...load, origin: new URL(loud.url).origin, headers, requests })
  }
  const harming = harm()
  try {
    return await timed(apiOf(quiet.url, quiet.token))
  } finally {
    over = true
    await harming
  }
}

async function timed(quiet: Api): Promise<Times> {
  const times: number[] = []
  const until = performance.now() + measureMs
  for (let started = performance.now(); started < until; started = performance.now()) {
    await quiet.list({ limit: '10' })
    times.push(performance.now() - started)
  }
  return { p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) }
}

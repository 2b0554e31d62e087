import { setTimeout as sleep } from 'node:timers/promises'
import type { Api } from '../testing/clients/api.ts'
import { freshBlocks, type Block } from '../testing/content.ts'
import { kuboRpc } from '../testing/clients/kubo-rpc.ts'
import type { World } from '../testing/world/world.ts'
import type { LoadResult } from './load.ts'
import { oneRowRate } from './rows.ts'
import { runLoad } from './run-load.ts'
import { median } from './statistics.ts'

export interface PinsResult {
  rounds: Round[]
  bareKuboPerSecond: number
  /** The same requests with the extras that a node sends: a name for the pin, and progress. No node can pin faster than this. */
  namedKuboPerSecond: number
  endToEndPerSecond: number
  backlogPerSecond: number
  oneRowPerSecond: number
  postOneInFlight: LoadResult
  post32InFlight: LoadResult
  ratios: { endToEnd: number; backlog: number; post: number }
}

/** The results of one round, all measured within the same half minute, so that its ratios compare like with like. */
interface Round {
  bareKubo: number
  namedKubo: number
  endToEnd: number
  backlog: number
  oneRow: number
  postOne: LoadResult
  post32: LoadResult
}

const sizes = { bare: 2000, endToEnd: 3000, backlog: 5000, postOne: 300, rows: 10_000 }

/** Measures the rates of pinning, and beside them the rates of the bare Kubo and the bare Postgres of the same node. */
export async function benchPins(
  world: World,
  rounds: number,
  say: (line: string) => void,
): Promise<PinsResult> {
  const done: Round[] = []
  await bareKubo(world, 200) // warm
  await endToEnd(world, 200)
  for (let n = 1; n <= rounds; n++) {
    const round = await oneRound(world)
    done.push(round)
    say(
      `round ${n}: Kubo alone ${round.bareKubo.toFixed(0)}/s (named ${round.namedKubo.toFixed(0)}/s), end to end ${round.endToEnd.toFixed(0)}/s, ` +
        `backlog ${round.backlog.toFixed(0)}/s, POST ${round.post32.perSecond.toFixed(0)}/s, one row ${round.oneRow.toFixed(0)}/s`,
    )
  }
  const middle = (of: (round: Round) => number): number => median(done.map(of))
  const load = (of: (round: Round) => LoadResult): LoadResult => ({
    seconds: middle((round) => of(round).seconds),
    perSecond: middle((round) => of(round).perSecond),
    p50Ms: middle((round) => of(round).p50Ms),
    p99Ms: middle((round) => of(round).p99Ms),
  })
  return {
    rounds: done,
    bareKuboPerSecond: middle((round) => round.bareKubo),
    namedKuboPerSecond: middle((round) => round.namedKubo),
    endToEndPerSecond: middle((round) => round.endToEnd),
    backlogPerSecond: middle((round) => round.backlog),
    oneRowPerSecond: middle((round) => round.oneRow),
    postOneInFlight: load((round) => round.postOne),
    post32InFlight: load((round) => round.post32),
    ratios: {
      endToEnd: middle((round) => round.endToEnd / round.bareKubo),
      backlog: middle((round) => round.backlog / round.bareKubo),
      post: middle((round) => round.post32.perSecond / round.oneRow),
    },
  }
}

async function oneRound(world: World): Promise<Round> {
  const before = await bareKubo(world, sizes.bare / 2)
  const named = await bareKubo(world, sizes.bare / 2, '&name=bench&progress=true')
  const { perSecond, post } = await endToEnd(world, sizes.endToEnd)
  const between = await bareKubo(world, sizes.bare / 2)
  const drained = await backlog(world, sizes.backlog)
  const after = await bareKubo(world, sizes.bare / 2)
  const postOne = await postAlone(world, sizes.postOne)
  const oneRow = await oneRowRate(await world.value('DATABASE_URL'), sizes.rows)
  // measured before, between and after: a machine that becomes slower affects both sides of a ratio
  return {
    bareKubo: median([before, between, after]),
    namedKubo: named,
    endToEnd: perSecond,
    backlog: drained,
    oneRow,
    postOne,
    post32: post,
  }
}

/** Calls `pin/add` for blocks that the Kubo has, 16 in flight, with no other load. */
export async function bareKubo(world: World, count: number, more = ''): Promise<number> {
  const url = await world.value('KUBO_RPC_1')
  const blocks = await stored(world, count)
  const requests = blocks.map(({ cid }) => ({ path: `/api/v0/pin/add?arg=${cid}${more}` }))
  return (await runLoad({ origin: url, headers: {}, method: 'POST', inFlight: 16, expect: 200, requests }))
    .perSecond
}

/** POSTs everything with 32 in flight, while the workers pin the same content, and waits until all of it is pinned. */
async function endToEnd(world: World, count: number): Promise<{ perSecond: number; post: LoadResult }> {
  const api = await world.api()
  const blocks = await stored(world, count)
  const before = await pinnedCount(api)
  const started = performance.now()
  const post = await postLoad(api, blocks, 32)
  await allPinned(api, before + count)
  return { perSecond: count / ((performance.now() - started) / 1000), post }
}

/** Measures a backlog: the pins arrive while the Kubo is paused, and the clock starts when it continues. */
async function backlog(world: World, count: number): Promise<number> {
  const api = await world.api()
  const blocks = await stored(world, count)
  const before = await pinnedCount(api)
  await world.signal('kubo', 'SIGSTOP')
  try {
    await postLoad(api, blocks, 32)
  } finally {
    await world.signal('kubo', 'SIGCONT')
  }
  const started = performance.now()
  await allPinned(api, before + count)
  return count / ((performance.now() - started) / 1000)
}

async function postAlone(world: World, count: number): Promise<LoadResult> {
  const api = await world.api()
  const before = await pinnedCount(api)
  const post = await postLoad(api, await stored(world, count), 1)
  await allPinned(api, before + count)
  return post
}

export async function postLoad(api: Api, blocks: Block[], inFlight: number): Promise<LoadResult> {
  const { origin, pathname } = new URL(api.url)
  const headers = { authorization: `Bearer ${api.token}`, 'content-type': 'application/json' }
  const requests = blocks.map(({ cid }, n) => ({
    path: `${pathname}/pins`,
    body: JSON.stringify({ cid, name: `block ${n}` }),
  }))
  return runLoad({ origin, headers, method: 'POST', inFlight, expect: 202, requests })
}

/** Fresh blocks that the Kubo has. */
export async function stored(world: World, count: number): Promise<Block[]> {
  const blocks = await freshBlocks(count)
  await kuboRpc(await world.value('KUBO_RPC_1')).put(blocks)
  return blocks
}

export async function pinnedCount(api: Api): Promise<number> {
  return (await api.list({ status: 'pinned', limit: '1' })).count
}

export async function allPinned(api: Api, count: number): Promise<void> {
  const deadline = performance.now() + 180_000
  for (let now = await pinnedCount(api); now < count; now = await pinnedCount(api)) {
    if (performance.now() > deadline) throw new Error(`only ${now} of ${count} pinned after three minutes`)
    await sleep(100)
  }
}

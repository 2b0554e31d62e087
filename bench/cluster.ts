import { setTimeout as sleep } from 'node:timers/promises'
import { freshBlocks, type Block } from '../testing/content.ts'
import { leadership } from '../testing/world/leader.ts'
import { Ledger } from '../testing/world/ledger.ts'
import { Load } from '../testing/world/load.ts'
import { alive } from '../testing/world/processes.ts'
import { until } from '../testing/settle.ts'
import type { World } from '../testing/world/world.ts'
import { whileBusy, type Busy } from './machine.ts'
import { allPinned, bareKubo, pinnedCount, postLoad } from './pins.ts'
import { median, quantile } from './statistics.ts'

export interface ClusterResult {
  nodes: number
  bareKuboPerSecond: number
  /** Every Kubo has the content beforehand; one copy of each is wanted. */
  endToEnd: { one: Rate; all: Rate; ratio: number }
  drain: Drained & { ofBareKubo: number }
  /** From SIGKILL of the leader until another node has the lease. */
  failover: { kills: number; medianMs: number; maxMs: number; allMs: number[] }
}

/** A drain of one node, beside 50 POSTs a second through the other nodes, and the p99 of such POSTs without a drain. */
export interface Drained {
  placements: number
  perSecond: number
  calmP99Ms: number
  postP99Ms: number
}

export interface Rate {
  perSecond: number
  busy: Busy
}

const sizes = { bare: 2000, endToEnd: 3000 }

/**
 * Starts with one node and grows. Measures the rate of one node, the rate at which a drain copies its content away, the rate of all
 * nodes together, and how long the cluster is without a leader after a kill. `world` has one node, and must not restart anything by
 * itself.
 */
export async function benchCluster(
  world: World,
  options: { nodes: number; rounds: number; kills: number },
  say: (line: string) => void,
): Promise<ClusterResult> {
  const { nodes, rounds, kills } = options
  await bareKubo(world, 200) // warm
  const bareBefore = await bareKubo(world, sizes.bare)
  const one = await rateOf(world, rounds, (rate) => say(`one node: ${inWords(rate)}`))
  await world.stop()
  await world.startAgain({ nodes })
  await world.well()
  const drain = await drainRate(world)
  say(`drain: ${drain.placements} placements, ${drain.perSecond.toFixed(0)}/s`)
  await world.admin('uncordon', 'dev-1')
  const all = await rateOf(world, rounds, (rate) => say(`${nodes} nodes: ${inWords(rate)}`))
  const bareAfter = await bareKubo(world, sizes.bare)
  const bare = median([bareBefore, bareAfter])
  const allMs: number[] = []
  for (let n = 1; n <= kills; n++) {
    allMs.push(await failoverMs(world))
    say(`failover ${n} of ${kills}: ${allMs.at(-1)} ms`)
  }
  return {
    nodes,
    bareKuboPerSecond: bare,
    endToEnd: { one, all, ratio: all.perSecond / one.perSecond },
    drain: { ...drain, ofBareKubo: drain.perSecond / bare },
    failover: { kills, medianMs: median(allMs), maxMs: Math.max(...allMs), allMs },
  }
}

/** POSTs through all nodes until everything is pinned; returns the median round. */
async function rateOf(world: World, rounds: number, tell: (rate: Rate) => void): Promise<Rate> {
  const done: Rate[] = []
  await endToEnd(world, await storedEverywhere(world, 200)) // warm
  for (let round = 0; round < rounds; round++) {
    const blocks = await storedEverywhere(world, sizes.endToEnd)
    const { result: perSecond, busy } = await whileBusy(() => endToEnd(world, blocks))
    done.push({ perSecond, busy })
    tell({ perSecond, busy })
  }
  const middle = (of: (rate: Rate) => number): number => median(done.map(of))
  return {
    perSecond: middle((rate) => rate.perSecond),
    busy: { cpu: middle((rate) => rate.busy.cpu), disk: middle((rate) => rate.busy.disk) },
  }
}

async function endToEnd(world: World, blocks: Block[]): Promise<number> {
  const apis = await Promise.all(world.nodes.map((n) => world.api(n)))
  const [first] = apis
  if (first === undefined) throw new Error('there is no node')
  const before = await pinnedCount(first)
  const started = performance.now()
  const inFlight = Math.ceil(32 / apis.length)
  await Promise.all(
    apis.map((api, lane) =>
      postLoad(
        api,
        blocks.filter((_, index) => index % apis.length === lane),
        inFlight,
      ),
    ),
  )
  await allPinned(first, before + blocks.length)
  return blocks.length / ((performance.now() - started) / 1000)
}

/** Stores content in every Kubo, so that nothing is fetched and the rates are those of pinning. */
async function storedEverywhere(world: World, count: number): Promise<Block[]> {
  const blocks = await freshBlocks(count)
  for (const n of world.nodes) await (await world.kubo(n)).put(blocks)
  return blocks
}

/** Drains node 1, which alone has its content. */
async function drainRate(world: World): Promise<Drained> {
  const calmP99Ms = await pacedP99(world, () => sleep(10_000))
  const { results } = await world.admin<{ results: { name: string; placements: number }[] }>('nodes')
  const placements = results.find(({ name }) => name === 'dev-1')?.placements ?? 0
  let seconds = 0
  const postP99Ms = await pacedP99(world, async () => {
    const started = performance.now()
    await world.admin('drain', 'dev-1')
    seconds = (performance.now() - started) / 1000
  })
  return { placements, perSecond: placements / seconds, calmP99Ms, postP99Ms }
}

/** The p99 of 50 POSTs a second, sent on time through all nodes but the first, while `work` runs. */
async function pacedP99(world: World, work: () => Promise<unknown>): Promise<number> {
  const apis = await Promise.all(world.nodes.slice(1).map((n) => world.api(n)))
  const todo = await storedEverywhere(world, 15_000)
  const next = (): { cid: string } => ({ cid: (todo.pop() ?? fail('the content ran out')).cid })
  const load = new Load({ perSecond: 50, through: () => apis, next, ledger: new Ledger() })
  await work()
  const { failures, latencies } = await load.stop()
  if (failures[0] !== undefined) throw new Error(failures[0])
  return quantile(latencies, 0.99)
}

function fail(message: string): never {
  throw new Error(message)
}

async function failoverMs(world: World): Promise<number> {
  const old = await leadership(world)
  const pid = await world.pid('node', old.n)
  const killedAt = Date.now()
  process.kill(pid, 'SIGKILL')
  const next = await leadership(world, old)
  await until('it has gone', () => !alive(pid))
  await world.revive(old.n)
  await world.well()
  // The work that the old leader's return causes must not be part of the next failover.
  await sleep(5_000)
  return next.atMs - killedAt
}

function inWords({ perSecond, busy }: Rate): string {
  const part = (of: number): string => `${(of * 100).toFixed(0)} %`
  return `${perSecond.toFixed(0)}/s end to end, processors busy ${part(busy.cpu)}, waiting for the disk ${part(busy.disk)}`
}

import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { World, type WorldOptions } from '../testing/world/world.ts'
import { benchCluster, type ClusterResult } from './cluster.ts'
import { benchGuards, type GuardsResult } from './guards.ts'
import { clusterGoals, goalsOf, type Goal } from './goals.ts'
import { benchLists, type ListsResult } from './lists.ts'
import type { Busy } from './machine.ts'
import { benchNeighbours, type NeighboursResult } from './neighbours.ts'
import { benchPins, type PinsResult } from './pins.ts'
import { benchPlan, type PlanResult } from './plan-cost.ts'
import { isAsked, operationKinds, operationNames } from './profile/operations.ts'
import { profile } from './profile/run.ts'
import { profileTables } from './profile/tables.ts'
import { benchStartUp, type StartUpResult } from './start-up.ts'
import { table } from './table.ts'

const usage = `usage: npm run bench -- [--only pins|lists|guards|neighbours|plan|start] [--rounds N] [--json]
       npm run bench -- --nodes N [--rounds N] [--kills N] [--json]
       npm run bench -- --profile [--only OPERATION] [--json]

Boots a fresh node on this machine and measures it: prints tables, and all results as one JSON object on the last line.
  --only     measures only one part: pins (rates of pinning), lists (lists and memory), guards (the cost of guards), neighbours (the effect of
             one org's worst load on another org), plan (the plan for many nodes) or start (the time that commands take)
  --rounds   rounds of pinning; their median is printed (default 3)
  --nodes    measures a cluster that grows from one node to N (3 or more): pins a second before and after, drain, failover
  --kills    how often the leader is killed (default 10)
  --profile  measures what one operation costs: processors, system calls, bytes, statements, functions; see docs/performance.md. OPERATION
             is ${operationKinds.join(', ')}, or one depth, such as post-32
  --json     prints only the JSON line
`

const parts = ['pins', 'lists', 'guards', 'neighbours', 'plan', 'start'] as const
type Part = (typeof parts)[number]
/** Rounds for measurements whose results differ by only a few percent. */
const guardRounds = 5

export interface BenchOptions {
  only: Part | undefined
  rounds: number
  /** Null: run all parts that need one node. */
  nodes: number | null
  kills: number
  json: boolean
}

/** Of `--profile`. */
interface ProfileOptions {
  profile: true
  only: string | undefined
  json: boolean
}

if (import.meta.main) {
  const options = readOptions(process.argv.slice(2))
  if (options === undefined) {
    process.stderr.write(usage)
    process.exitCode = 2
  } else if ('profile' in options) {
    await benchProfile(options)
  } else {
    await bench(options)
  }
}

async function benchProfile({ only, json }: ProfileOptions): Promise<void> {
  const say = (line: string): void => void (json || process.stdout.write(`${line}\n`))
  const measured = await profile(only, say)
  say(`\n${profileTables(measured)}\n`)
  if (json) process.stdout.write(`${JSON.stringify({ machine: machine(), ...measured })}\n`)
}

function machine(): { cores: number; node: string } {
  return { cores: availableParallelism(), node: process.version }
}

async function bench(options: BenchOptions): Promise<void> {
  const say = (line: string): void => void (options.json || process.stdout.write(`${line}\n`))
  const { nodes, ...others } = options
  const measured = nodes === null ? await benchNode(others, say) : await benchNodes({ ...others, nodes }, say)
  say(`${goalsTable(measured.goals)}\n`)
  process.stdout.write(`${JSON.stringify({ machine: machine(), ...measured })}\n`)
}

async function benchNodes(
  options: { nodes: number; rounds: number; kills: number },
  say: (line: string) => void,
): Promise<{ cluster: ClusterResult; goals: Goal[] }> {
  await using world = await World.start({ nodes: 1, restartAfter: 0 })
  const cluster = await benchCluster(world, options, say)
  say(`\n${clusterTable(cluster)}\n`)
  return { cluster, goals: clusterGoals(cluster) }
}

async function benchNode(
  { only, rounds }: Pick<BenchOptions, 'only' | 'rounds'>,
  say: (line: string) => void,
) {
  const measures = (what: Part): boolean => only === undefined || only === what
  const pins = measures('pins') ? await onFreshNode((world) => benchPins(world, rounds, say)) : undefined
  if (pins !== undefined) say(`\n${pinsTable(pins)}\n`)
  const lists = measures('lists') ? await onFreshNode((world) => benchLists(world, 100_000, say)) : undefined
  if (lists !== undefined) say(`\n${listsTable(lists)}\n`)
  const guards = measures('guards')
    ? await onFreshNode((world) => benchGuards(world, guardRounds, say), { restartAfter: 0 })
    : undefined
  if (guards !== undefined) say(`\n${guardsTable(guards)}\n`)
  const neighbours = measures('neighbours')
    ? await onFreshNode((world) => benchNeighbours(world, say))
    : undefined
  if (neighbours !== undefined) say(`\n${neighboursTable(neighbours)}\n`)
  const plan = measures('plan') ? await benchPlan(1_000_000, say) : undefined
  if (plan !== undefined) say(`\n${planTable(plan)}\n`)
  const start = measures('start') ? await onFreshNode((world) => benchStartUp(world, say)) : undefined
  if (start !== undefined) say(`\n${startTable(start)}\n`)
  const measured = { pins, lists, guards, neighbours, plan, start }
  return { ...measured, goals: goalsOf(measured) }
}

async function onFreshNode<T>(measure: (world: World) => Promise<T>, options: WorldOptions = {}): Promise<T> {
  await using world = await World.start({ ...options, env: { ANCHORAGE_LOG_LEVEL: 'warn' } })
  return await measure(world)
}

function readOptions(args: string[]): BenchOptions | ProfileOptions | undefined {
  try {
    const { values } = parseArgs({
      args,
      options: {
        only: { type: 'string' },
        rounds: { type: 'string', default: '3' },
        nodes: { type: 'string' },
        kills: { type: 'string', default: '10' },
        profile: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    })
    const { json, profile } = values
    if (profile) {
      const { only } = values
      const isKnown = only === undefined || operationNames.some((name) => isAsked(name, only))
      return isKnown ? { profile, only, json } : undefined
    }
    const only = parts.find((part) => part === values.only)
    const [rounds, kills] = [Number(values.rounds), Number(values.kills)]
    const nodes = values.nodes === undefined ? null : Number(values.nodes)
    if (![rounds, kills].every((count) => Number.isInteger(count) && count >= 1)) return undefined
    if (nodes !== null && (!Number.isInteger(nodes) || nodes < 3 || only !== undefined)) return undefined
    return values.only === only ? { only, rounds, nodes, kills, json } : undefined
  } catch {
    return undefined
  }
}

function pinsTable(pins: PinsResult): string {
  const rate = (perSecond: number): string => perSecond.toFixed(0)
  const { postOneInFlight: one, post32InFlight: many } = pins
  return table(
    ['rates', 'per second', 'p50 ms', 'p99 ms'],
    [
      ['Kubo alone: pin/add, 16 in flight', rate(pins.bareKuboPerSecond), '', ''],
      ['Kubo alone: pin/add, 16 in flight, with names and progress', rate(pins.namedKuboPerSecond), '', ''],
      ['end to end: POST all, until all are pinned', rate(pins.endToEndPerSecond), '', ''],
      ['backlog of 5,000 queued pins', rate(pins.backlogPerSecond), '', ''],
      ['POST /pins, 1 in flight', rate(one.perSecond), one.p50Ms.toFixed(1), one.p99Ms.toFixed(1)],
      [
        'POST /pins, 32 in flight, while pinning',
        rate(many.perSecond),
        many.p50Ms.toFixed(1),
        many.p99Ms.toFixed(1),
      ],
      ['Postgres alone: one row, 32 in flight', rate(pins.oneRowPerSecond), '', ''],
    ],
  )
}

function listsTable({ requests, rss, scrape }: ListsResult): string {
  const row = (what: string, small: number, large: number, ratio: number): string[] => [
    what,
    small.toFixed(2),
    large.toFixed(2),
    ratio.toFixed(2),
  ]
  const scrapes = `a scrape of /metrics (${scrape.families} families, ${scrape.bytes} bytes)`
  const lists = table(
    ['median ms', '1,000 pins', '100,000 pins', 'ratio'],
    [
      ...requests.map(({ what, smallMs, largeMs, ratio }) => row(what, smallMs, largeMs, ratio)),
      row('resident memory, MiB', rss.smallMiB, rss.largeMiB, rss.ratio),
    ],
  )
  return `${lists}\n\n${scrapes}: ${scrape.p50Ms.toFixed(1)} ms, p99 ${scrape.p99Ms.toFixed(1)} ms`
}

function guardsTable({ requests }: GuardsResult): string {
  return table(
    ['row-level security, authentication, rate limits: per second', 'with', 'without', 'ratio'],
    requests.map(({ what, guardedPerSecond, unguardedPerSecond, ratio }) => [
      `${what}, 32 in flight`,
      guardedPerSecond.toFixed(0),
      unguardedPerSecond.toFixed(0),
      ratio.toFixed(2),
    ]),
  )
}

function neighboursTable({ calm, beside }: NeighboursResult): string {
  const row = (what: string, p50Ms: number, p99Ms: number, ratio: string): string[] => [
    what,
    p50Ms.toFixed(1),
    p99Ms.toFixed(1),
    ratio,
  ]
  return table(
    ['a list of ten, beside another org: ms', 'p50', 'p99', 'p99 / alone'],
    [
      row('alone', calm.p50Ms, calm.p99Ms, ''),
      ...beside.map(({ what, p50Ms, p99Ms, ratio }) => row(what, p50Ms, p99Ms, ratio.toFixed(1))),
    ],
  )
}

function startTable({ verbs }: StartUpResult): string {
  return table(
    ['commands, median ms', 'packaged', 'without its cache', 'checkout'],
    verbs.map(({ verb, packagedMs, firstMs, checkoutMs }) => [
      `anchorage ${verb}`,
      packagedMs.toFixed(0),
      firstMs.toFixed(0),
      checkoutMs.toFixed(0),
    ]),
  )
}

function planTable(plan: PlanResult): string {
  return table(
    [`plans for ${plan.nodes} nodes`, 'measured'],
    [
      [`moves, of ${plan.placements} placements`, String(plan.moves)],
      ['seconds', plan.seconds.toFixed(1)],
      ['MiB held at the peak', plan.heldMiB.toFixed(1)],
      ['MiB held at the peak, half of the placements', plan.heldMiBOfHalf.toFixed(1)],
      ['bytes moved / least possible', plan.movedByLeast.toFixed(3)],
      ['worst node after, from its fair share', plan.worstAfter.toFixed(3)],
      ['nodes chosen for a new content, µs', plan.chooseUs.toFixed(0)],
      ['repair of a content that lost a copy, µs', plan.repairUs.toFixed(0)],
      ['check of a pinned content, µs', plan.settledUs.toFixed(0)],
    ],
  )
}

function clusterTable({ nodes, bareKuboPerSecond, endToEnd, drain, failover }: ClusterResult): string {
  const part = (of: number): string => `${(of * 100).toFixed(0)} %`
  const row = (what: string, perSecond: number, busy?: Busy): string[] => [
    what,
    perSecond.toFixed(0),
    busy === undefined ? '' : part(busy.cpu),
    busy === undefined ? '' : part(busy.disk),
  ]
  const rates = table(
    ['rates', 'per second', 'processors busy', 'waiting for the disk'],
    [
      row('Kubo alone: pin/add, 16 in flight', bareKuboPerSecond),
      row('end to end, one node', endToEnd.one.perSecond, endToEnd.one.busy),
      row(`end to end, ${nodes} nodes`, endToEnd.all.perSecond, endToEnd.all.busy),
      row(`drain of ${drain.placements} placements`, drain.perSecond),
    ],
  )
  const { kills, medianMs, maxMs } = failover
  const times = table(
    [`failover, ${kills} kills; POSTs beside a drain`, 'ms'],
    [
      ['median', String(medianMs)],
      ['max', String(maxMs)],
      ['p99 of 50 POSTs a second, calm', drain.calmP99Ms.toFixed(1)],
      ['p99 of 50 POSTs a second, in the drain', drain.postP99Ms.toFixed(1)],
    ],
  )
  return `${rates}\n\n${times}`
}

function goalsTable(goals: Goal[]): string {
  const wanted = ({ atLeast, atMost }: Goal): string =>
    atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`
  return table(
    ['goals', 'measured', 'wanted', ''],
    goals.map((goal) => [goal.what, goal.value.toFixed(2), wanted(goal), goal.met ? 'met' : 'NOT MET']),
  )
}

import type { ClusterResult } from './cluster.ts'
import type { GuardsResult } from './guards.ts'
import type { ListsResult } from './lists.ts'
import type { NeighboursResult } from './neighbours.ts'
import type { PinsResult } from './pins.ts'
import type { PlanResult } from './plan-cost.ts'
import type { StartUpResult } from './start-up.ts'

/** A goal that a run must meet. It is a ratio within the run when the speed of the machine would otherwise decide. */
export interface Goal {
  what: string
  value: number
  /** `value` must be at least, or at most, this. */
  atLeast?: number
  atMost?: number
  met: boolean
}

/** The goals for what was measured. */
export function goalsOf({
  pins,
  lists,
  guards,
  neighbours,
  plan,
  start,
}: {
  pins: PinsResult | undefined
  lists: ListsResult | undefined
  guards: GuardsResult | undefined
  neighbours: NeighboursResult | undefined
  plan: PlanResult | undefined
  start: StartUpResult | undefined
}): Goal[] {
  return [
    ...(pins === undefined ? [] : pinGoals(pins)),
    ...(lists === undefined ? [] : listGoals(lists)),
    ...(guards === undefined ? [] : guardGoals(guards)),
    ...(neighbours === undefined ? [] : neighbourGoals(neighbours)),
    ...(plan === undefined ? [] : planGoals(plan)),
    ...(start === undefined ? [] : startGoals(start)),
  ]
}

/** The longest time without a leader that the default lease allows after a kill. */
const failoverMs = 10_000 + 3_000

export function clusterGoals({ nodes, endToEnd, drain, failover }: ClusterResult): Goal[] {
  const { all, ratio } = endToEnd
  const busy = all.busy.cpu + all.busy.disk
  const more = atLeast(
    `end to end, ${nodes} nodes / one, or the machine busy to 90 % (${(busy * 100).toFixed(0)} %)`,
    ratio,
    1.3,
  )
  return [
    // More nodes on one machine share its processors and its disk.
    { ...more, met: more.met || busy >= 0.9 },
    atMost('p99 of 50 POSTs a second in a drain / without', drain.postP99Ms / drain.calmP99Ms, 2),
    atMost('failover, median ms', failover.medianMs, failoverMs),
  ]
}

function startGoals({ verbs }: StartUpResult): Goal[] {
  return verbs.flatMap(({ verb, packagedMs, checkoutMs }) => [
    atMost(`anchorage ${verb}, packaged, ms`, packagedMs, 150),
    atMost(`anchorage ${verb}, checkout, ms`, checkoutMs, 400),
  ])
}

function pinGoals({ ratios, post32InFlight }: PinsResult): Goal[] {
  return [
    atLeast('backlog of 5,000 / bare Kubo', ratios.backlog, 0.9),
    atLeast('end to end / bare Kubo', ratios.endToEnd, 0.75),
    atLeast('POST at 32 in flight / one-row transactions', ratios.post, 0.35),
    atLeast('POST at 32 in flight, per second', post32InFlight.perSecond, 3000),
    atMost('POST at 32 in flight, p99 ms', post32InFlight.p99Ms, 40),
  ]
}

function listGoals({ requests, rss, scrape }: ListsResult): Goal[] {
  return [
    ...requests.map(({ what, broad, largeMs, ratio }) =>
      broad
        ? atMost(`${what}, ms at 100,000 pins`, largeMs, 100)
        : atMost(`${what}, 100,000 pins / 1,000`, ratio, 1.3),
    ),
    atMost('RSS, 100,000 pins / 1,000', rss.ratio, 1.1),
    atMost('a scrape of /metrics at 100,000 pins, p99 ms', scrape.p99Ms, 50),
  ]
}

function guardGoals({ requests }: GuardsResult): Goal[] {
  return requests.map(({ what, ratio }) => atLeast(`${what}, with guards / without`, ratio, 0.85))
}

function neighbourGoals({ beside }: NeighboursResult): Goal[] {
  return beside.flatMap(({ what, p99Ms, ratio }) => [
    atMost(`a list of ten beside ${what}: p99 / alone`, ratio, 5),
    atMost(`a list of ten beside ${what}: p99 ms`, p99Ms, 500),
  ])
}

function planGoals({ seconds, heldMiB, heldMiBOfHalf, movedByLeast, worstAfter }: PlanResult): Goal[] {
  return [
    atMost('plan of 1,000,000 placements, seconds', seconds, 30),
    atMost('plan of 1,000,000 placements, MiB held', heldMiB, 64),
    atMost('MiB held, 1,000,000 placements / 500,000', heldMiB / heldMiBOfHalf, 1.2),
    atMost('bytes moved / least possible', movedByLeast, 1.1),
    atMost('worst node after the plan, from its share', worstAfter, 0.051),
  ]
}

function atLeast(what: string, value: number, least: number): Goal {
  return { what, value, atLeast: least, met: value >= least }
}

function atMost(what: string, value: number, most: number): Goal {
  return { what, value, atMost: most, met: value <= most }
}

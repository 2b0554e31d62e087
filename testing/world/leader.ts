import { patience } from '../patience.ts'
import { until } from '../settle.ts'
import type { World } from './world.ts'

/** One term of leadership, as logged by the node that took the lease. */
export interface Leadership {
  /** The number of the node, from 1. */
  n: number
  epoch: number
  /** When it began, ms since 1970. */
  atMs: number
}

/** The term with the greatest epoch that any node has logged, later than `after` when that is given. */
export async function leadership(world: World, after?: Leadership): Promise<Leadership> {
  return until(
    `a node leads${after === undefined ? '' : ` after node ${after.n} with epoch ${after.epoch}`}`,
    async () => {
      const terms = (await Promise.all(world.nodes.map((n) => termsOf(world, n)))).flat()
      const last = terms.reduce<Leadership | undefined>(
        (best, term) => (best !== undefined && best.epoch > term.epoch ? best : term),
        undefined,
      )
      return last !== undefined && last.epoch > (after?.epoch ?? 0) ? last : undefined
    },
    { withinMs: patience.longMs },
  ).catch(async (cause: Error) => {
    throw new Error(`${cause.message}\n${await world.lastWords()}`, { cause })
  })
}

async function termsOf(world: World, n: number): Promise<Leadership[]> {
  const lines = await world.nodeLog(n)
  return lines.flatMap(({ msg, epoch, time }) =>
    msg === 'this node leads' && epoch !== undefined ? [{ n, epoch, atMs: Date.parse(time) }] : [],
  )
}

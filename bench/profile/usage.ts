import { strict as assert } from 'node:assert'
import type { World } from '../../testing/world/world.ts'
import type { Observer, Written } from './observed.ts'
import { spentBy, type Spent } from './spent.ts'
import { connectionsOf, trafficTo, type Traffic } from './traffic.ts'

export const servers = ['node', 'postgres', 'kubo', 'nats'] as const
export type Server = (typeof servers)[number]
/** The servers that the node has connections to. */
export const peers = ['postgres', 'kubo', 'nats'] as const
export type Peer = (typeof peers)[number]

/** What one operation used, on average. */
export interface Usage {
  spent: Record<Server, Spent>
  traffic: Record<Peer, Traffic>
  written: Written
}

/** Measures what `count` operations use: all that the servers of `world` use while `work` does them. */
export async function usageOf<T>(
  world: World,
  observer: Observer,
  count: number,
  work: () => Promise<T>,
): Promise<{ result: T; usage: Usage }> {
  const [node, postgres, kubo, nats] = await Promise.all(servers.map((server) => world.pid(server)))
  assert.ok(node && postgres && kubo && nats)
  const sums = async () => ({
    written: await observer.written(),
    spent: {
      node: await spentBy(node),
      postgres: await spentBy(postgres, true),
      kubo: await spentBy(kubo),
      nats: await spentBy(nats),
    },
  })
  const opened = await connectionsOf(node)
  const before = await sums()
  const result = await work()
  const after = await sums()
  const open = await connectionsOf(node)
  const traffic = async (variable: string): Promise<Traffic> => {
    const port = Number(new URL(await world.value(variable)).port)
    return divided(trafficTo(port, opened, open), count)
  }
  const usage = {
    ...divided(grown(before, after), count),
    traffic: {
      postgres: await traffic('DATABASE_URL'),
      kubo: await traffic('KUBO_RPC_1'),
      nats: await traffic('NATS_URL'),
    },
  }
  return { result, usage }
}

/** By how much each number of `before`, and of the objects in it, grew until `after`. */
export function grown<T extends object>(before: T, after: T): T {
  return mapped(before, after, (then, now) => now - then)
}

/** Each number of `sums`, and of the objects in it, divided by `count`. */
export function divided<T extends object>(sums: T, count: number): T {
  return mapped(sums, sums, (sum) => sum / count)
}

function mapped<T extends object>(a: T, b: T, of: (a: number, b: number) => number): T {
  const entries = Object.entries(a).map(([name, value]: [string, number | object]) => {
    const other = b[name as keyof T] as number | object
    const both = typeof value === 'object' && typeof other === 'object'
    return [name, both ? mapped(value, other, of) : of(Number(value), Number(other))]
  })
  return Object.fromEntries(entries) as T
}

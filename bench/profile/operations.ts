import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { allStatuses, type Api } from '../../testing/clients/api.ts'
import { eachInFlight } from '../../testing/settle.ts'
import type { World } from '../../testing/world/world.ts'
import type { LoadResult } from '../load.ts'
import { allPinned, pinnedCount, postLoad, stored } from '../pins.ts'
import { runLoad } from '../run-load.ts'

/** One kind of work, at one depth of load. */
export interface Operation {
  /** Its kind, and its depth of load if it has one: `post-32`. */
  name: string
  what: string
  /** How many operations a round of full length has. */
  count: number
  /** Prepares `count` operations, which were not done before. */
  prepare: (count: number) => Promise<Prepared>
}

export interface Prepared {
  /** Does the operations. Nothing else is asked of the node meanwhile. */
  run: () => Promise<Ran>
  /** Waits until what the operations left to do is done. */
  settle?: () => Promise<void>
}

/** A rate, and the times of single operations if there are any. */
export type Ran = Pick<LoadResult, 'perSecond'> & Partial<LoadResult>

/** The kinds of operations, and how many are in flight. */
const depths = {
  idle: [],
  get: [1, 16],
  'list-10': [1, 16],
  'list-1000': [1, 16],
  'list-cid': [1, 16],
  'list-name': [1, 16],
  'list-meta': [1, 16],
  'list-status': [1, 16],
  post: [1, 8, 32, 128],
  pin: [],
} satisfies Record<string, number[]>

export const operationKinds = Object.keys(depths)
export const operationNames = Object.entries(depths).flatMap(([kind, inFlight]) =>
  inFlight.length === 0 ? [kind] : inFlight.map((depth) => `${kind}-${depth}`),
)

/** Whether the operation called `name` is meant by `asked`, which is its name or a beginning of it: `list-10-16`, `list-10` or `list`. */
export function isAsked(name: string, asked: string): boolean {
  return `${name}-`.startsWith(`${asked}-`)
}

const seeded = 1000
/** The number of pins that share a name, and that share a value of meta. */
const groupSize = 10

/** All operations, on a world with one node. Reads come first, because they are of an org whose pins stay the same. */
export async function operationsOf(world: World): Promise<Operation[]> {
  return [idle(), ...(await reads(world)), ...depths.post.map((depth) => post(world, depth)), pin(world)]
}

/** What the node does by itself, for each second. */
function idle(): Operation {
  const run = async (seconds: number): Promise<Ran> => {
    await sleep(seconds * 1000)
    return { perSecond: 1 }
  }
  const prepare = (count: number) => Promise.resolve({ run: () => run(Math.ceil(count)) })
  return { name: 'idle', what: 'nothing, a second', count: 5, prepare }
}

async function reads(world: World): Promise<Operation[]> {
  const org = await seededOrg(world)
  const all = { status: allStatuses, limit: '10' }
  const [one] = (await org.list(all)).results
  assert.ok(one)
  const listed = (filters: Record<string, string>): string => `/pins?${new URLSearchParams(filters)}`
  const each: {
    name: Exclude<keyof typeof depths, 'idle' | 'post' | 'pin'>
    what: string
    count: number
    path: string
  }[] = [
    { name: 'get', what: 'GET one', count: 2000, path: `/pins/${one.requestid}` },
    { name: 'list-10', what: 'list of 10', count: 1500, path: listed(all) },
    { name: 'list-1000', what: 'list of 1,000', count: 60, path: listed({ ...all, limit: '1000' }) },
    { name: 'list-cid', what: 'list by cid, 1', count: 1500, path: listed({ ...all, cid: one.pin.cid }) },
    { name: 'list-name', what: 'list by name, 10', count: 1000, path: listed({ ...all, name: 'file 7' }) },
    {
      name: 'list-meta',
      what: 'list by meta, 10',
      count: 1000,
      path: listed({ ...all, meta: '{"group":"7"}' }),
    },
    {
      name: 'list-status',
      what: 'list by status, 10',
      count: 1500,
      path: listed({ ...all, status: 'pinned' }),
    },
  ]
  return each.flatMap(({ path, ...read }) =>
    depths[read.name].map((inFlight) => ({
      name: `${read.name}-${inFlight}`,
      what: `${read.what}, ${inFlight} in flight`,
      count: inFlight === 1 ? read.count : 2 * read.count,
      prepare: (count) => Promise.resolve({ run: () => readLoad(org, path, count, inFlight) }),
    })),
  )
}

/** An org with 1,000 pinned pins, each of a content of its own, after the work of autovacuum. */
async function seededOrg(world: World): Promise<Api> {
  const org = await world.newOrg('reads')
  const blocks = await stored(world, seeded)
  await eachInFlight(blocks, 16, ({ cid }, n) => {
    const group = String(n % (seeded / groupSize))
    return org.post({ cid, name: `file ${group}`, meta: { all: 'yes', group } })
  })
  await allPinned(org, seeded)
  await vacuum(world)
  return org
}

async function vacuum(world: World): Promise<void> {
  const client = new pg.Client({ connectionString: await world.value('DATABASE_URL') })
  await client.connect()
  await client.query('vacuum analyze')
  await client.end()
}

function readLoad(api: Api, path: string, count: number, inFlight: number): Promise<Ran> {
  const { origin, pathname } = new URL(api.url)
  const requests = Array.from({ length: count }, () => ({ path: pathname + path }))
  const headers = { authorization: `Bearer ${api.token}` }
  return runLoad({ origin, headers, method: 'GET', inFlight, expect: 200, requests })
}

/** Accepts alone: the Kubo is paused, so that nothing is pinned meanwhile. */
function post(world: World, inFlight: number): Operation {
  return {
    name: `post-${inFlight}`,
    what: `POST, ${inFlight} in flight`,
    count: Math.min(3000, 600 + 150 * (inFlight - 1)),
    async prepare(count) {
      const api = await world.api()
      const blocks = await stored(world, count)
      const before = await pinnedCount(api)
      await world.signal('kubo', 'SIGSTOP')
      return {
        run: () => postLoad(api, blocks, inFlight),
        async settle() {
          await world.signal('kubo', 'SIGCONT')
          await allPinned(api, before + count)
        },
      }
    },
  }
}

/** Pins alone: they were accepted while the Kubo was paused. */
function pin(world: World): Operation {
  return {
    name: 'pin',
    what: 'pin, from a backlog',
    count: 3000,
    async prepare(count) {
      const api = await world.api()
      const blocks = await stored(world, count)
      const before = await pinnedCount(api)
      await world.signal('kubo', 'SIGSTOP')
      await postLoad(api, blocks, 32)
      return {
        async run() {
          const started = performance.now()
          await world.signal('kubo', 'SIGCONT')
          await allPinned(api, before + count)
          return { perSecond: count / ((performance.now() - started) / 1000) }
        },
      }
    },
  }
}

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import pg from 'pg'
import { apiOf, type Api } from '../testing/clients/api.ts'
import { freshBlocks } from '../testing/content.ts'
import { ownEnvironment } from '../testing/world/dev-env.ts'
import { eachInFlight, until } from '../testing/settle.ts'
import type { World } from '../testing/world/world.ts'
import type { Doors } from './guards-node.ts'
import type { Load } from './load.ts'
import { runLoad } from './run-load.ts'
import { median } from './statistics.ts'

/** The cost of requests with row-level security, authentication and rate limits, and without all three; medians of the rounds. */
export interface GuardsResult {
  requests: { what: string; guardedPerSecond: number; unguardedPerSecond: number; ratio: number }[]
}

/** One kind of request; a slice sends `count` of them. */
interface Kind {
  what: string
  method: Load['method']
  count: number
  request: (n: number) => Load['requests'][number]
}

const inFlight = 32
const contents = 200
const slicesPerRound = 4

/**
 * Measures one node with two HTTP servers, one with guards and one without, in turns of a fraction of a second: other load on the
 * machine affects both alike. Row-level security is switched with the server. The pins are of content that is pinned already, so a POST
 * is only its transaction and the workers have nothing to do. `world` must not restart anything by itself.
 */
export async function benchGuards(
  world: World,
  rounds: number,
  say: (line: string) => void,
): Promise<GuardsResult> {
  const api = await world.api()
  const kinds = kindsOf(await standingPins(world, api))
  await world.kill('node')
  await using node = await startedNode(world, api)
  await using database = await databaseOf(world)
  const measure = async (door: keyof Doors, kind: Kind): Promise<number> => {
    await database.rowLevelSecurity(door === 'guarded' ? 'enable' : 'disable')
    // The first requests after the switch make Postgres plan again.
    await load(node.doors[door], api, kind, kind.count / 4)
    return (await load(node.doors[door], api, kind, kind.count)).seconds
  }
  const requests: GuardsResult['requests'] = []
  for (const kind of kinds) {
    for (const door of ['guarded', 'unguarded'] as const) await measure(door, kind)
    const done: { guarded: number; unguarded: number }[] = []
    for (let round = 1; round <= rounds; round++) done.push(await oneRound(kind, measure))
    const ratios = done.map(({ guarded, unguarded }) => guarded / unguarded)
    say(`${kind.what}: with guards / without ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}`)
    requests.push({
      what: kind.what,
      guardedPerSecond: median(done.map(({ guarded }) => guarded)),
      unguardedPerSecond: median(done.map(({ unguarded }) => unguarded)),
      ratio: median(ratios),
    })
  }
  await database.rowLevelSecurity('enable')
  return { requests }
}

/** Requests a second through both servers, in the order with, without, without, with, … */
async function oneRound(
  kind: Kind,
  measure: (door: keyof Doors, kind: Kind) => Promise<number>,
): Promise<{ guarded: number; unguarded: number }> {
  const seconds = { guarded: 0, unguarded: 0 }
  for (let slice = 0; slice < slicesPerRound; slice++) {
    const order = slice % 2 === 0 ? (['guarded', 'unguarded'] as const) : (['unguarded', 'guarded'] as const)
    for (const door of order) seconds[door] += await measure(door, kind)
  }
  const all = kind.count * slicesPerRound
  return { guarded: all / seconds.guarded, unguarded: all / seconds.unguarded }
}

function load(origin: string, api: Api, { method, request }: Kind, count: number) {
  const headers = { authorization: `Bearer ${api.token}`, 'content-type': 'application/json' }
  const requests = Array.from({ length: count }, (_, n) => request(n))
  return runLoad({ origin, headers, method, inFlight, expect: method === 'POST' ? 202 : 200, requests })
}

interface StandingPin {
  id: string
  cid: string
}

function kindsOf(pins: readonly StandingPin[]): Kind[] {
  const pinOf = (n: number): StandingPin => pins[n % pins.length] ?? { id: '', cid: '' }
  return [
    {
      what: 'POST /pins',
      method: 'POST',
      count: 1000,
      request: (n) => ({ path: '/v1/pins', body: JSON.stringify({ cid: pinOf(n).cid, name: `pin ${n}` }) }),
    },
    {
      what: 'GET /pins/{requestid}',
      method: 'GET',
      count: 1600,
      request: (n) => ({ path: `/v1/pins/${pinOf(n).id}` }),
    },
    {
      what: 'GET /pins, a page of ten',
      method: 'GET',
      count: 800,
      request: () => ({ path: '/v1/pins?limit=10' }),
    },
  ]
}

/** Pins one content each, through the API. */
async function standingPins(world: World, api: Api): Promise<StandingPin[]> {
  const blocks = await freshBlocks(contents)
  await (await world.kubo()).put(blocks)
  const pins: StandingPin[] = []
  await eachInFlight(blocks, 16, async ({ cid }) => {
    pins.push({ id: (await api.post({ cid })).requestid, cid })
  })
  const stand = async (): Promise<boolean> => (await api.list({ status: 'pinned' })).count === contents
  await until('the content is pinned', stand, { withinMs: 60_000 })
  return pins
}

/** Runs the world's node as a child of this process. */
async function startedNode(world: World, api: Api): Promise<AsyncDisposable & { doors: Doors }> {
  const { org, jti } = claimsOf(api.token)
  const config = await world.value('NODE_CONFIG_1')
  const child = fork(join(import.meta.dirname, 'guards-node.ts'), ['--org', org, '--token', jti], {
    env: { ...ownEnvironment(), ANCHORAGE_CONFIG: config, ANCHORAGE_LOG_LEVEL: 'error' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const doors = await Promise.race([once(child, 'message').then(([said]): Doors => said), failedStart(child)])
  const ready = async (): Promise<boolean> =>
    (await apiOf(`${doors.guarded}/v1`, api.token).send('GET', '/ready')).status === 200
  await until('the node is ready', ready)
  return {
    doors,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      await gone
    },
  }
}

async function failedStart(child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'exit')
  throw new Error(`the node ended with ${code}`)
}

function claimsOf(token: string): { org: string; jti: string } {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

/** The database with the owner's login. */
async function databaseOf(world: World) {
  const client = new pg.Client({ connectionString: await world.value('DATABASE_URL') })
  await client.connect()
  const { rows: tables } = await client.query<{ name: string; owner: string }>(
    `select relname as name, relowner::regrole::text as owner from pg_class where oid in (select polrelid from pg_policy)`,
  )
  return {
    /** Switches row-level security on all tables that have policies. */
    async rowLevelSecurity(what: 'enable' | 'disable'): Promise<void> {
      for (const { name, owner } of tables)
        await client.query(`set role ${owner}; alter table ${name} ${what} row level security; reset role`)
    },
    [Symbol.asyncDispose]: () => client.end(),
  }
}

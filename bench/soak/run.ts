import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freshBlocks } from '../../testing/content.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger } from '../../testing/world/ledger.ts'
import { World } from '../../testing/world/world.ts'
import { traffic, type Traffic } from './traffic.ts'
import { debuggable, openInspector } from '../inspector.ts'
import { collectGarbage, thriftyNatsServer } from './collect.ts'
import { growthOf, usageOf, type Growth, type Usage } from './usage.ts'

export interface SoakResult {
  minutes: number
  growth: Growth[]
  traffic: Traffic
  /** Nothing grew, and every answer was the expected one. */
  held: boolean
}

const nodes = 3
const users = 3
const contentsOfEach = 1_000
/**
 * The part of the run in which users do not pause. It fills everything that fills up with use (buffers, the hints of an hour) before
 * anything is compared.
 */
const rush = 1 / 6
const samplesWanted = 240

/**
 * Runs three nodes under traffic for `ms`. Early on, one node is drained and put back, and maintenance is on for a while. Rejects when
 * a server exits unexpectedly, or when not all accepted pins are pinned afterwards.
 */
export async function runSoak(ms: number, say: (line: string) => void): Promise<SoakResult> {
  await using dir = await mkdtempDisposable(join(tmpdir(), 'anchorage-soak-'))
  const env = {
    ...debuggable,
    ANCHORAGE_NATS_BINARY: await thriftyNatsServer(dir.path),
    ANCHORAGE_PIN_UNPIN_GRACE: '10s',
    ANCHORAGE_CLUSTER_DRAIN_GRACE_PERIOD: '5s',
  }
  await using world = await World.start({ nodes, restartAfter: 0, env })
  await world.well()
  const contents = await storedSomewhere(world)
  const apis = await Promise.all(world.nodes.map((n) => world.api(n)))
  const ledger = new Ledger()
  const started = performance.now()
  const isRush = (): boolean => performance.now() - started < ms * rush
  const over = new AbortController()
  const stop = (): void => over.abort()
  const [seen, [growth]] = await Promise.all([
    traffic(apis, contents, ledger, isRush, over.signal).finally(stop),
    Promise.all([watch(world, ms, over.signal, say), operate(world, ms, over.signal, say)]).finally(stop),
  ])
  say('checking that every accepted pin is pinned')
  await checkInvariants(world, ledger)
  const held = growth.every((each) => each.held) && seen.broken.length + seen.odd.length === 0
  return { minutes: ms / 60_000, growth, traffic: seen, held }
}

/** The contents of each user, each stored in one of the Kubos. */
async function storedSomewhere(world: World): Promise<string[][]> {
  const kubos = await Promise.all(world.nodes.map((n) => world.kubo(n)))
  const each = Array.from({ length: users }, async (_, user) => {
    const blocks = await freshBlocks(contentsOfEach, 4096)
    await kubos[user % kubos.length]?.put(blocks)
    return blocks.map(({ cid }) => cid)
  })
  return Promise.all(each)
}

/** The operator's actions, all in the first third of the run, so that their effects are over by the middle third. */
async function operate(
  world: World,
  ms: number,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<void> {
  const pause = (part: number) => sleep(ms * part, undefined, { signal })
  await pause(0.05)
  await world.admin('drain', `dev-${nodes}`)
  say(`dev-${nodes} is drained`)
  await world.admin('uncordon', `dev-${nodes}`)
  await pause(0.05)
  await world.admin('maintenance', 'on', '--reason', 'soak', '--ttl', '1h')
  say('maintenance is on')
  await pause(0.05)
  await world.admin('maintenance', 'off')
  say('maintenance is off')
}

/** Samples every server repeatedly for `ms`, each time after the nodes collected their garbage. */
async function watch(
  world: World,
  ms: number,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<Growth[]> {
  const servers = await serversOf(world)
  using inspectors = new DisposableStack()
  const open = world.nodes.map(async (n) =>
    openInspector(await world.pid('node', n), join(world.data, 'logs', `node-${n}.log`)),
  )
  const nodes = (await Promise.all(open)).map((node) => inspectors.use(node))
  const samples = new Map(servers.map(({ name }): [string, Usage[]] => [name, []]))
  const started = performance.now()
  for (let taken = 1; taken <= samplesWanted; taken++) {
    await sleep(Math.max(0, started + (ms * taken) / samplesWanted - performance.now()), undefined, {
      signal,
    })
    await Promise.all(nodes.map(collectGarbage))
    const now = await Promise.all(
      servers.map(({ name, pid }) =>
        usageOf(pid, name === 'postgres').catch((cause: unknown) => {
          throw new Error(`${name} (process ${pid}) is gone`, { cause })
        }),
      ),
    )
    for (const [index, usage] of now.entries()) samples.get(servers[index]?.name ?? '')?.push(usage)
    if (taken % (samplesWanted / 20) === 0) {
      const each = servers.map(({ name }, index) => `${name} ${now[index]?.mib.toFixed(0)}`)
      say(`${((performance.now() - started) / 60_000).toFixed(1)} min, MiB: ${each.join(', ')}`)
    }
  }
  return [...samples].map(([name, taken]) => growthOf(name, taken, isOurs(name)))
}

/** Whether the server's memory is judged. Postgres and Kubo may use what their configs give them, so their memory is only reported. */
function isOurs(name: string): boolean {
  return /^(node|nats) /.test(name)
}

async function serversOf(world: World): Promise<{ name: string; pid: number }[]> {
  const ofNodes = (['node', 'nats', 'kubo'] as const).flatMap((server) =>
    world.nodes.map(async (n) => ({ name: `${server} ${n}`, pid: await world.pid(server, n) })),
  )
  return Promise.all([...ofNodes, world.pid('postgres').then((pid) => ({ name: 'postgres', pid }))])
}

import { setTimeout as sleep } from 'node:timers/promises'
import { AnchorageError } from '../core/errors.ts'
import type { Degradation } from '../core/node.ts'
import { openStore } from '../store/store.ts'
import type { DevDatabase } from './database.ts'
import {
  numberOf,
  portsOf,
  startNode,
  startNodesKubo,
  type DevNode,
  type NodeOptions,
} from './node-servers.ts'
import { makeClusterKeys } from './routes.ts'
import { silentLog } from '../core/silent-log.ts'

/**
 * Rejects `conflict`, with what to do, when the start would leave out a node that has content according to Postgres: content that is only
 * there would be missing. A drained node may be left out.
 */
export async function refuseToLeaveOut(count: number, database: DevDatabase): Promise<void> {
  await using store = openStore({ ...database, log: silentLog })
  const beyond = (await store.nodes.list()).flatMap(({ name, state }) => {
    const number = numberOf(name)
    return number !== null && number > count && state !== 'drained' ? [{ name, number }] : []
  })
  if (beyond.length === 0) return
  const names = beyond.map(({ name }) => name).join(' and ')
  const all = Math.max(...beyond.map(({ number }) => number))
  throw new AnchorageError(
    'conflict',
    `${names} would be left out, with the content that is pinned there: start with --nodes ${all} and run ` +
      `anchorage admin drain for each; once they are drained, start with --nodes ${count}, and run ` +
      'anchorage admin forget for each',
  )
}

const formedWithinMs = 45_000

/**
 * Starts all Kubos together, and then all nodes together, because a nats-server in a cluster of three waits for another one. The stack is
 * disposed from its end, so the nodes stop first.
 */
export async function startNodes(
  options: { count: number; port: number; say: (line: string) => void; signal: AbortSignal },
  starting: AsyncDisposableStack,
  common: Omit<NodeOptions, 'number' | 'count' | 'ports'>,
): Promise<DevNode[]> {
  const { count, port, say, signal } = options
  const numbers = Array.from({ length: count }, (_, index) => index + 1)
  const places: NodeOptions[] = []
  for (const number of numbers) {
    places.push({ ...common, number, count, ports: await portsOf(common, number, port + number - 1) })
  }
  say(count === 1 ? 'starting Kubo' : `starting ${count} Kubos`)
  signal.throwIfAborted()
  // Made before the nodes start together, because all of them share these keys.
  if (count > 1) await makeClusterKeys(common.dir.path)
  const kubos = await allOf(places.map(startNodesKubo), starting)
  say(count === 1 ? 'starting the node' : `starting ${count} nodes`)
  signal.throwIfAborted()
  const starts = kubos.map(async (kubo, index) => {
    const place = places[index]
    if (place === undefined) throw new AnchorageError('internal', 'a Kubo without a node')
    const node = await startNode({ ...place, kubo })
    if (count > 1) say(`node ${place.number} of ${count} serves at ${node.url}`)
    return node
  })
  const nodes = await allOf(starts, starting)
  if (count > 1) await formed(nodes, say, signal)
  return nodes
}

/** Waits until the nodes' nats-servers are one cluster with all replicas. From then on any one of them may fail. */
async function formed(
  nodes: readonly DevNode[],
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  say('waiting for the nodes to form one cluster')
  const enough = AbortSignal.any([signal, AbortSignal.timeout(formedWithinMs)])
  for (const { url } of nodes) {
    while (!enough.aborted && (await natsTrouble(url, enough)) !== null)
      await sleep(200, undefined, { signal: enough }).catch(() => {})
  }
  signal.throwIfAborted()
  if (enough.aborted)
    say('the nodes do not form one cluster yet; each serves, and shows the reason at /v1/ready')
}

/** The trouble with NATS that a node reports; null when there is none. */
async function natsTrouble(url: string, signal: AbortSignal): Promise<string | null> {
  try {
    const response = await fetch(`${url}/v1/ready`, { signal })
    const { reasons }: { reasons: Degradation[] } = JSON.parse(await response.text())
    return reasons.find(({ what }) => what === 'nats')?.reason ?? null
  } catch (error) {
    return String(error)
  }
}

/** Waits for all, so that those that started are on the stack even if another one failed. */
async function allOf<T extends AsyncDisposable>(
  starts: Promise<T>[],
  stack: AsyncDisposableStack,
): Promise<T[]> {
  const outcomes = await Promise.allSettled(starts)
  const started = outcomes.flatMap((outcome) =>
    outcome.status === 'fulfilled' ? [stack.use(outcome.value)] : [],
  )
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  return started
}

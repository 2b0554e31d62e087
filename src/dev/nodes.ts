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
import { quietLog } from './test-nats.ts'

/**
 * Refuses (`conflict`, with what to do) to leave out a node that still has content by the book: what lies only there would be
 * missing. One that is drained may be left out.
 */
export async function refuseToLeaveOut(count: number, database: DevDatabase): Promise<void> {
  await using store = openStore({ ...database, log: quietLog })
  const beyond = (await store.nodes.list()).flatMap(({ name, state }) => {
    const number = numberOf(name)
    return number !== null && number > count && state !== 'drained' ? [{ name, number }] : []
  })
  if (beyond.length === 0) return
  const names = beyond.map(({ name }) => name).join(' and ')
  const all = Math.max(...beyond.map(({ number }) => number))
  throw new AnchorageError(
    'conflict',
    `${names} would be left out, with what is pinned there: start with --nodes ${all} and run anchorage admin drain ` +
      `for each; once they are drained, --nodes ${count} goes on without them, and anchorage admin forget ends them`,
  )
}

const formedWithinMs = 45_000

/**
 * All Kubos, then all nodes, each kind at once: a nats-server of three waits for another one. The stack is undone from its end,
 * so the nodes stop first.
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
  // Before the nodes start at once: the first to come makes what all share.
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

/** Waits until the nodes' nats-servers are one, with all replicas: from then on each of them can be missed. */
async function formed(
  nodes: readonly DevNode[],
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  say('waiting for the nodes to be one cluster')
  const enough = AbortSignal.any([signal, AbortSignal.timeout(formedWithinMs)])
  for (const { url } of nodes) {
    while (!enough.aborted && (await natsTrouble(url, enough)) !== null)
      await sleep(200, undefined, { signal: enough }).catch(() => {})
  }
  signal.throwIfAborted()
  if (enough.aborted) say('the nodes are not one cluster yet; each serves, and tells why at /v1/ready')
}

/** What a node says is wrong with its NATS; null when nothing is. */
async function natsTrouble(url: string, signal: AbortSignal): Promise<string | null> {
  try {
    const response = await fetch(`${url}/v1/ready`, { signal })
    const { reasons }: { reasons: Degradation[] } = JSON.parse(await response.text())
    return reasons.find(({ what }) => what === 'nats')?.reason ?? null
  } catch (error) {
    return String(error)
  }
}

/** Waits for all, so that those that started are on the stack also when another failed. */
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

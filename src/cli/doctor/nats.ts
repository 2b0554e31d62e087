import { connect } from 'node:net'
import { once } from 'node:events'
import type { Config } from '../../config/config.ts'
import { environment } from '../../config/environment.ts'
import { address } from '../../config/kinds.ts'
import { ownNats } from '../../app/nats.ts'
import { outsideNats } from '../../config/outside-nats.ts'
import {
  inspectJetStream,
  inspectServers,
  type JetStreamFacts,
  type ServersFacts,
} from '../../cluster/inspect.ts'
import { isCode } from '../../core/errors.ts'
import type { ClusterFacts } from '../../store/inspect.ts'
import { findTool } from '../../tools/find-tool.ts'
import { natsServer } from '../../tools/nats-server.ts'
import { clusterOf } from './cluster.ts'
import { fail, judged, ok, skip, warn, type Check, type Finding } from './finding.ts'

const dialMs = 3_000

/**
 * Checks the node's own nats-server, or the outside one: whether it takes messages, survives the loss of a server, and acknowledges
 * only messages that are on its disk.
 */
export const checkNats: Check = async ({ config, node }, signal) => {
  const outside = outsideUrl(config)
  // The config check says why.
  if (outside === undefined) return [skip('nats', 'nats.url cannot be used; see the check config')]
  const cluster = await clusterOf(config, signal)
  if (outside !== null) return await outsideLook(outside, cluster)
  const [binary, server, routes] = await Promise.all([
    binaryLook(config, signal),
    node === null
      ? [skip('nats', 'the node does not run now, so its nats-server does not run either')]
      : ownLook(config),
    routesLook(config, cluster, signal),
  ])
  return [binary, ...server, ...routes]
}

/** Null: the config names no outside NATS. Undefined: the config names one that is refused. */
function outsideUrl(config: Config): string | null | undefined {
  try {
    return outsideNats(config)
  } catch (error) {
    if (!isCode(error, 'invalid')) throw error
    return undefined
  }
}

async function binaryLook(config: Config, signal: AbortSignal): Promise<Finding> {
  const options = {
    env: environment(),
    say: () => {},
    signal,
    configured: config.nats.binary,
    onlyLook: true,
  }
  try {
    const { path, version, from } = await findTool(natsServer(), options)
    return ok('nats-server', `${version} (${from}: ${path})`)
  } catch (error) {
    const [says = '', ...rest] = (error instanceof Error ? error.message : String(error)).split('\n')
    const [advice = ''] = rest.slice(-1)
    const tried = rest.slice(0, -1).map((step) => step.replace(/^ *- /, ''))
    return fail('nats-server', `${says} ${tried.join('; ')}`, advice)
  }
}

async function ownLook(config: Config): Promise<Finding[]> {
  try {
    const { url, systemUrl } = await ownNats(config)
    const [facts, servers] = await Promise.all([inspectJetStream(url), inspectServers(systemUrl)])
    return [...jetStreamOf(facts), quorumOf(servers), syncOf(servers)]
  } catch (error) {
    return [await failed(error, 'read the log of the node: it says why its nats-server is down')]
  }
}

async function outsideLook(url: string, cluster: ClusterFacts | null): Promise<Finding[]> {
  try {
    const facts = await inspectJetStream(url, cluster?.clusterId)
    return [
      ...jetStreamOf(facts),
      skip(
        'nats sync',
        'an outside NATS does not report this to clients: check that its jetstream block has sync_interval: always',
      ),
    ]
  } catch (error) {
    return [
      await failed(
        error,
        'check that nats.url has the right host, user and password, and that JetStream is on there',
      ),
    ]
  }
}

async function failed(error: unknown, advice: string): Promise<Finding> {
  const found = await judged('nats', () => Promise.reject(error))
  return { ...found, advice }
}

/** Whether it takes messages; an acknowledged message proves it. */
export function jetStreamOf({
  version,
  hasStreams,
  replicas,
  offline,
  acknowledgedInMs,
}: JetStreamFacts): Finding[] {
  const nats = ok('nats', `JetStream of nats-server ${version} answers`)
  if (!hasStreams || acknowledgedInMs === null)
    return [
      nats,
      skip('nats publish', 'the streams do not exist yet: the first node that starts creates them'),
    ]
  const kept = `${replicas === 1 ? 'one server stores it' : `${replicas} servers store it`}`
  const says = `a message was acknowledged after ${Math.max(1, Math.round(acknowledgedInMs))}ms; ${kept}`
  return offline === 0
    ? [nats, ok('nats publish', says)]
    : [
        nats,
        warn(
          'nats publish',
          `${says}, ${offline} of which are down`,
          'start them again, or `anchorage admin forget` their nodes',
        ),
      ]
}

/** Whether the servers agree on a leader, and can lose one server. */
export function quorumOf({ answered, counted, hasLeader }: ServersFacts): Finding {
  if (!hasLeader)
    return fail(
      'nats quorum',
      `no server leads: ${answered} of ${counted} servers answer`,
      'start the others again, or `anchorage admin forget` the nodes that will not come back',
    )
  if (counted === 1) return ok('nats quorum', 'there is one server, which needs no other')
  const says = `${answered} of ${counted} servers answer, and one leads`
  if (answered < counted)
    return warn('nats quorum', says, 'find the nodes that do not answer: `anchorage admin nodes`')
  if (counted === 2) return warn('nats quorum', `${says}; each needs the other`, 'add a third node')
  return ok('nats quorum', says)
}

/** Whether each server acknowledges only messages that are on its disk. */
export function syncOf({ lazy }: ServersFacts): Finding {
  if (lazy.length === 0)
    return ok('nats sync', 'always: servers acknowledge a message after it is on the disk')
  return fail(
    'nats sync',
    `${lazy.join(', ')}: acknowledges before the message is on the disk`,
    'restart its node, which sets sync_interval: always in the jetstream block',
  )
}

/** Whether this machine reaches the nats-servers of the other nodes. Only TCP is tried, because they accept only one another. */
async function routesLook(
  config: Config,
  cluster: ClusterFacts | null,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { listen, announce, members } = config.nats.cluster
  if (listen === undefined) return []
  const own = announce ?? listen
  const named = members.filter((member) => {
    const { host, port } = address.parse(member)
    return host !== own.host || port !== own.port
  })
  if (named.length === 0 && cluster === null)
    return [skip('nats routes', 'Postgres cannot be reached, so the other nodes are unknown')]
  const others =
    named.length > 0
      ? named.map((route) => ({ shown: route, route }))
      : (cluster?.otherRoutes ?? []).map(({ name, route }) => ({ shown: `${name} (${route})`, route }))
  const away = await Promise.all(
    others.map(async ({ shown, route }) => ((await isReached(route, signal)) ? [] : [shown])),
  )
  const lost = away.flat()
  if (lost.length > 0)
    return [
      warn(
        'nats routes',
        `${lost.join(', ')} cannot be reached`,
        'start those nodes, or open the port between the machines; see nats.cluster.announce',
      ),
    ]
  return [
    ok(
      'nats routes',
      others.length === 0
        ? 'there is no other node yet'
        : `the nats-servers of all other nodes are reachable (${others.length})`,
    ),
  ]
}

async function isReached(route: string, signal: AbortSignal): Promise<boolean> {
  const socket = connect(address.parse(route))
  try {
    await once(socket, 'connect', { signal: AbortSignal.any([signal, AbortSignal.timeout(dialMs)]) })
    return true
  } catch {
    signal.throwIfAborted()
    return false
  } finally {
    socket.destroy()
  }
}

import { networkInterfaces } from 'node:os'
import type { Config } from '../../config/config.ts'
import { inOneLine } from '../../core/errors.ts'
import type { Fences } from '../../ipfs/follow-ups.ts'
import { dialled, inspectKubo, takesAnyone, type KuboFacts } from '../../ipfs/inspect.ts'
import type { ClusterFacts } from '../../store/inspect.ts'
import { bytes } from '../print.ts'
import { clusterOf } from './cluster.ts'
import { fail, ok, warn, type Check, type Finding } from './finding.ts'

const leastDiskBytes = 1024 ** 3

/** Checks this node's Kubo: its version, the node that it is bound to, who can reach its RPC, its room, and what it would dial. */
export const checkKubo: Check = async ({ config }, signal) => {
  const { rpc } = config.kubo
  const [cluster, exposed] = await Promise.all([
    clusterOf(config, signal),
    exposedLook(rpc, ownAddresses(), signal),
  ])
  try {
    const facts = await inspectKubo(rpc, signal)
    return [
      ok('kubo', `${facts.version} at ${withoutPassword(rpc)}`),
      ...peerOf(facts, cluster, config.node.name),
      exposed,
      roomOf(facts, config.cluster.highWater),
      ...fencesLook(facts.fences, config.pin, cluster?.otherAddresses ?? []),
    ]
  } catch (error) {
    signal.throwIfAborted()
    const down = fail(
      'kubo',
      `${withoutPassword(rpc)}: ${inOneLine(error)}`,
      'start it, or set kubo.rpc to where its RPC listens',
    )
    return exposed.state === 'ok' ? [down] : [down, exposed]
  }
}

function peerOf({ peerId }: KuboFacts, cluster: ClusterFacts | null, name: string): Finding[] {
  const bound = cluster?.peerId ?? null
  if (bound === null) return []
  if (bound === peerId) return [ok('kubo peer', `${peerId}, to which ${name} is bound`)]
  return [
    fail(
      'kubo peer',
      `${name} is bound to the Kubo ${bound}, and this Kubo is ${peerId}`,
      'set kubo.rpc to the Kubo of this node, or give the node that has this Kubo another node.name',
    ),
  ]
}

/**
 * A process that reaches the RPC controls the Kubo, so the RPC must answer on loopback only. Each of this machine's other `addresses`
 * is dialled; reading Kubo's config would not be enough, because firewalls and credentials count too.
 */
export async function exposedLook(
  rpc: string,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<Finding> {
  const url = new URL(rpc)
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const isLocal = host === 'localhost' || host === '::1' || host.startsWith('127.')
  const isOwn = isLocal || addresses.includes(host)
  const tried = isOwn ? addresses : [host]
  const open = await Promise.all(
    tried.map(async (address) => {
      url.hostname = address.includes(':') ? `[${address}]` : address
      return (await takesAnyone(url.href, signal)) ? [address] : []
    }),
  )
  const reached = open.flat()
  if (reached.length === 0)
    return ok('kubo rpc', isLocal ? 'answers on loopback only' : 'asks for credentials')
  const says = `anyone who reaches ${reached.join(', ')} on port ${port} controls this Kubo`
  if (!isOwn)
    return warn(
      'kubo rpc',
      says,
      'let only this node reach it, or set API.Authorizations in Kubo and a user in kubo.rpc',
    )
  return fail('kubo rpc', says, `run: ipfs config Addresses.API /ip4/127.0.0.1/tcp/${port}, and restart Kubo`)
}

/** Whether there is room for new content, and whether the disk has the room that Kubo may use. */
export function roomOf(
  { usedBytes, capacityBytes, diskFreeBytes }: KuboFacts,
  highWaterPercent: number,
): Finding {
  const says = `${bytes(usedBytes)} used of ${bytes(capacityBytes)}, ${bytes(diskFreeBytes)} free on its disk`
  if (diskFreeBytes < leastDiskBytes)
    return fail('kubo room', says, 'free some space on that disk: Kubo fails when it is full')
  if (usedBytes * 100 >= capacityBytes * highWaterPercent)
    return warn(
      'kubo room',
      `${says}: above cluster.highWater (${highWaterPercent}%), so this node gets no new content`,
      'raise Datastore.StorageMax in Kubo (and enlarge its disk), or add a node and run `anchorage admin rebalance`',
    )
  if (capacityBytes - usedBytes > diskFreeBytes)
    return warn(
      'kubo room',
      `${says}: Datastore.StorageMax is more than the disk has`,
      `run: ipfs config Datastore.StorageMax ${Math.max(1, Math.floor((usedBytes + diskFreeBytes) / 1e9))}GB, and restart Kubo; or give it a larger disk`,
    )
  return ok('kubo room', says)
}

/** Whether strangers can make Kubo dial into private networks, and whether it may dial the Kubos of the other nodes. */
export function fencesLook(
  fences: Fences,
  { allowPrivateOrigins }: Pick<Config['pin'], 'allowPrivateOrigins'>,
  siblings: readonly string[],
): Finding[] {
  const { open, shut } = dialled(fences, siblings)
  if (shut.length > 0)
    return [
      fail(
        'kubo filters',
        `Swarm.AddrFilters keep this Kubo from the Kubos of other nodes: ${shut.join(', ')}`,
        'remove their network from Swarm.AddrFilters, and restart Kubo',
      ),
    ]
  if (allowPrivateOrigins) return [ok('kubo filters', 'not needed: pin.allowPrivateOrigins is set')]
  const found: Finding[] = []
  if (open.length > 0)
    found.push(
      warn('kubo filters', `Kubo dials ${open.join(', ')} when a peer names an address there`, fenceIn),
    )
  if (fences.overHttp)
    found.push(
      warn(
        'kubo filters',
        'HTTPRetrieval is on: Kubo fetches over HTTP from every address that a stranger names',
        'run: ipfs config --json HTTPRetrieval.Enabled false, and restart Kubo',
      ),
    )
  if (found.length > 0) return found
  return [ok('kubo filters', 'Kubo dials no private network except the networks of the other nodes')]
}

const fenceIn = `add them to Swarm.AddrFilters and restart Kubo (docs/operate.md, "Kubo's own dials")`

function ownAddresses(): string[] {
  // Link-local addresses need a zone, which a URL cannot carry.
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .flatMap(({ address, internal }) => (internal || address.startsWith('fe80:') ? [] : [address]))
}

function withoutPassword(rpc: string): string {
  const url = new URL(rpc)
  if (url.password !== '') url.password = '***'
  return url.href.replace(/\/$/, '')
}

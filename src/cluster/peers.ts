import { createHash } from 'node:crypto'
import type { NatsConnection } from '@nats-io/nats-core'
import { dial } from './dial.ts'
import type { MetaGroup } from './nats-quorum.ts'
import { fieldsOf } from './wire.ts'

const timeout = 3_000

/**
 * Removes from JetStream's group the servers that are offline and whose names are not in `known`: their nodes were forgotten, are gone or
 * never joined. Their replicas move to other servers. Otherwise a cluster would count its dead servers for ever and lose its quorum to them.
 * Returns the ids of the removed servers in the group. All nodes may call this: only the server that leads the group acts. A server that
 * comes back after all is taken in again within seconds. `systemUrl` leads to this node's own server.
 * Rejects when that server does not answer.
 */
export async function removePeers(systemUrl: string, known: ReadonlySet<string>): Promise<string[]> {
  const nc = await dial(systemUrl, 'peers')
  try {
    const peers = new Set([...known].map(peerIdOf))
    const gone = (await followers(nc)).filter(({ peer, offline }) => offline && !peers.has(peer))
    for (const { peer } of gone) await remove(nc, peer)
    return gone.map(({ peer }) => peer)
  } finally {
    await nc.close()
  }
}

/** JetStream's group as this node's own server sees it; null while that server is not part of one. Rejects when it does not answer. */
export async function metaGroup(systemUrl: string): Promise<MetaGroup | null> {
  const nc = await dial(systemUrl, 'peers')
  try {
    const { leader, cluster_size: size } = await metaOf(nc)
    if (typeof size !== 'number') return null
    const reached = new Set([nc.info?.server_name ?? '', ...(await routesOf(nc))])
    return { leader: typeof leader === 'string' && leader !== '' ? leader : null, size, reached }
  } finally {
    await nc.close()
  }
}

interface Follower {
  peer: string
  offline: boolean
}

/** The followers of the server that `nc` is connected to; none when another server leads the group. */
async function followers(nc: NatsConnection): Promise<Follower[]> {
  const own = nc.info?.server_name ?? ''
  const { leader, peer, replicas } = await metaOf(nc)
  // nats-server derives ids from names in a way of its own. If that way changed, all servers would look unknown. So nothing is removed
  // unless this server's own id is the one that we compute.
  if (leader !== own || peer !== peerIdOf(own) || !Array.isArray(replicas)) return []
  return replicas.flatMap((replica: unknown): Follower[] => {
    const { peer: id, offline } = record(replica)
    return typeof id === 'string' ? [{ peer: id, offline: offline === true }] : []
  })
}

async function metaOf(nc: NatsConnection): Promise<Record<string, unknown>> {
  return part(await ask(nc, 'JSZ'), 'meta_cluster')
}

/** The names of the servers that this node's own server has a route to. */
async function routesOf(nc: NatsConnection): Promise<string[]> {
  const { routes } = await ask(nc, 'ROUTEZ')
  return (Array.isArray(routes) ? routes : []).flatMap((route: unknown) => {
    const { remote_name: name } = record(route)
    return typeof name === 'string' ? [name] : []
  })
}

/** A question to this node's own server about itself. */
async function ask(nc: NatsConnection, what: 'JSZ' | 'ROUTEZ'): Promise<Record<string, unknown>> {
  const reply = await nc.request(`$SYS.REQ.SERVER.${nc.info?.server_id}.${what}`, '{}', { timeout })
  return part(fieldsOf(reply.string()), 'data')
}

async function remove(nc: NatsConnection, peer: string): Promise<void> {
  const reply = await nc.request('$JS.API.SERVER.REMOVE', JSON.stringify({ peer_id: peer }), { timeout })
  const { error } = fieldsOf(reply.string())
  if (error !== undefined) throw new Error(`JetStream does not remove ${peer}: ${JSON.stringify(error)}`)
}

/** A server's id in JetStream's groups: the first 8 bytes of the SHA-256 of its name, each written as one of 62 characters. */
function peerIdOf(serverName: string): string {
  const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  const digest = createHash('sha256').update(serverName).digest().subarray(0, 8)
  return Array.from(digest, (byte) => letters.charAt(byte % letters.length)).join('')
}

function part(of: Record<string, unknown>, name: string): Record<string, unknown> {
  return record(of[name])
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

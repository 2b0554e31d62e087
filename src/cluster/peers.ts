import { createHash } from 'node:crypto'
import type { NatsConnection } from '@nats-io/nats-core'
import { dial } from './dial.ts'
import { fieldsOf } from './wire.ts'

const timeout = 3_000

/**
 * Takes servers out of JetStream's group that are away and whose names `known` does not hold, for their nodes were forgotten; their
 * replicas go to others. Without this a cluster would count its dead for ever and lose its quorum to them. Returns their ids
 * there. Only the server that leads the group acts, so all nodes may ask; `systemUrl` leads to the own one. Rejects when it does not
 * answer.
 */
export async function removeForgotten(systemUrl: string, known: ReadonlySet<string>): Promise<string[]> {
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

interface Follower {
  peer: string
  offline: boolean
}

/** Of the server that `nc` leads to; none when another leads. */
async function followers(nc: NatsConnection): Promise<Follower[]> {
  const own = nc.info?.server_name ?? ''
  const reply = await nc.request(`$SYS.REQ.SERVER.${nc.info?.server_id}.JSZ`, '{}', { timeout })
  const { leader, peer, replicas } = part(part(fieldsOf(reply.string()), 'data'), 'meta_cluster')
  // Ids are made of names in a way that is the server's own: were it to change, all would look unknown.
  if (leader !== own || peer !== peerIdOf(own) || !Array.isArray(replicas)) return []
  return replicas.flatMap((replica: unknown): Follower[] => {
    const { peer: id, offline } = record(replica)
    return typeof id === 'string' ? [{ peer: id, offline: offline === true }] : []
  })
}

async function remove(nc: NatsConnection, peer: string): Promise<void> {
  const reply = await nc.request('$JS.API.SERVER.REMOVE', JSON.stringify({ peer_id: peer }), { timeout })
  const { error } = fieldsOf(reply.string())
  if (error !== undefined) throw new Error(`JetStream does not let go of ${peer}: ${JSON.stringify(error)}`)
}

/** How servers call one another in JetStream's groups: the start of the name's SHA-256, each byte as one of 62 letters. */
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

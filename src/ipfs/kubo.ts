import type { Ipfs } from '../core/ports.ts'
import { followUps } from './follow-ups.ts'
import { readIdentity, readPeers, readRepoStat } from './kubo-answers.ts'
import { collectGarbage } from './kubo-garbage.ts'
import { kuboDials } from './kubo-dials.ts'
import { kuboPins } from './kubo-pins.ts'
import { nameResolver, type ResolveName } from './origin-names.ts'
import { kuboRpc } from './rpc.ts'

/** How to reach this node's Kubo, and what may be asked of it. */
export interface KuboOptions {
  /** For example `http://127.0.0.1:5001`. */
  rpcUrl: string
  /** The name that marks a pin as ours: the cluster's id. */
  pinName: string
  /** Whether origins may be in private networks and on loopback. */
  allowPrivateOrigins: boolean
  /** Resolves names in origins to addresses; null refuses names, so that not even a DNS query is sent. */
  resolveName?: ResolveName | null
  connectTimeoutMs?: number
  /** Returns the trace that a call belongs to, in the format of W3C Trace Context. A Kubo that traces too continues it. */
  traceparent?: (() => string | undefined) | null
}

/** This node's Kubo, over its RPC. Nothing is sent before the first call. If Kubo could not be reached, the next call tries again. */
export function kubo(options: KuboOptions): Ipfs & AsyncDisposable {
  const rpc = kuboRpc(options.rpcUrl, options.traceparent)
  const { resolveName = nameResolver(), connectTimeoutMs = 10_000, allowPrivateOrigins } = options
  return {
    ...kuboPins(rpc, options.pinName),
    ...kuboDials(rpc, { resolveName, connectTimeoutMs, allowPrivateOrigins }),
    async peers(signal) {
      return readPeers(await rpc.call('swarm/peers', signal))
    },
    async identity(signal) {
      const [id, version] = await Promise.all([rpc.call('id', signal), rpc.call('version', signal)])
      return readIdentity(id, version)
    },
    async followUps(signal) {
      return followUps(await rpc.call('config/show', signal))
    },
    async repoStat(signal) {
      return readRepoStat(await rpc.call('repo/stat?size-only=true', signal))
    },
    collectGarbage: (signal) => collectGarbage(rpc, signal),
    [Symbol.asyncDispose]: () => rpc[Symbol.asyncDispose](),
  }
}

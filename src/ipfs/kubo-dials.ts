import { IpfsError } from '../core/ipfs-error.ts'
import type { Ipfs } from '../core/ports.ts'
import type { ResolveName } from './origin-names.ts'
import { dialable } from './origin-policy.ts'
import type { Rpc } from './rpc.ts'

export interface DialOptions {
  allowPrivateOrigins: boolean
  resolveName: ResolveName | null
  connectTimeoutMs: number
}

/**
 * Makes Kubo dial, within a time limit. Its later dials are its own: a connected peer may tell it of further addresses, private ones
 * included. To rule that out, set `Swarm.AddrFilters` in Kubo.
 */
export function kuboDials(rpc: Rpc, options: DialOptions): Pick<Ipfs, 'connect' | 'connectSibling'> {
  return {
    async connect(origin, signal) {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(options.connectTimeoutMs)])
      const addresses = await stopAt(signal, () => dialable(origin, { ...options, signal: limited }))
      await stopAt(signal, () => dial(rpc, addresses, limited))
    },

    async connectSibling(multiaddr, signal) {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(options.connectTimeoutMs)])
      await stopAt(signal, () => dial(rpc, [multiaddr], limited))
    },
  }
}

async function dial(rpc: Rpc, addresses: string[], signal: AbortSignal): Promise<void> {
  const query = addresses.map((address) => `arg=${encodeURIComponent(address)}`).join('&')
  try {
    await rpc.call(`swarm/connect?${query}`, signal)
  } catch (cause) {
    if (cause instanceof IpfsError && cause.code === 'kubo_down') throw cause
    throw new IpfsError('bad_origin', 'the origin could not be dialled', { cause })
  }
}

/**
 * Runs `work`. When its own time limit ends it, the error is `bad_origin`; when the caller's `signal` aborts, the error is the signal's
 * reason.
 */
async function stopAt<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    signal.throwIfAborted()
    throw cause instanceof IpfsError
      ? cause
      : new IpfsError('bad_origin', 'the origin did not answer in time', { cause })
  }
}

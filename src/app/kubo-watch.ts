import { isCode } from '../core/errors.ts'
import { IpfsError } from '../core/ipfs-error.ts'
import type { Inability, NodeIdentity } from '../core/node.ts'
import type { Clock, Ipfs, Log } from '../core/ports.ts'
import type { NodeStore } from '../store/nodes.ts'
import { every } from './every.ts'

/** This node's knowledge of its Kubo. */
export interface KuboWatch {
  /** Null while Kubo answers and is the one that this node is bound to; otherwise the reason. */
  trouble(): string | null
  /** The same with the time that it lasts, or since this watch was made. */
  unable(): Inability | null
  /** Since when Kubo answers without a break that was noticed, ms since 1970; null while there is trouble. */
  sinceMs(): number | null
  usedBytes(): number | null
  capacityBytes(): number | null
  /** This node's Kubo. Calls reject `kubo_down` while there is trouble, for instance when the Kubo belongs to another node. */
  ipfs: Ipfs
  run(signal: AbortSignal): Promise<void>
}

export interface KuboWatchParts {
  ipfs: Ipfs
  store: Pick<NodeStore, 'bindKubo'>
  node: NodeIdentity
  /** Addresses to announce instead of Kubo's own. */
  announce: string[]
  /** Private addresses must not be dialled, so warn about settings of Kubo that let it dial there by itself. */
  strict: boolean
  clock: Clock
  log: Log
  /** Called when the Kubo's addresses have been written to Postgres, to read the nodes again. */
  onAnnounced: () => Promise<void>
  /** Called when Kubo answers for the first time or again, to check that it still has what it should have. */
  onReturn: () => void
  /** Called when Kubo no longer answers, and when it answers again. */
  onChange: () => void
}

const everyMs = 2_000
/** The size of the repository is read once in this many rounds. */
const statEvery = 3
/** Until Kubo answers, it is asked more often than afterwards, so that its start is noticed soon. */
const everyMsUntilMet = 500
const patienceMs = 10_000

const away =
  'Kubo cannot be reached; pins are accepted and wait. Start Kubo, or set kubo.rpc to the address of its RPC'

/** Waits for this node's Kubo, binds the node to it, and keeps checking it. */
export function kuboWatch(parts: KuboWatchParts): KuboWatch {
  const { ipfs, store, node, announce, clock, log } = parts
  let trouble: string | null = 'Kubo has not answered yet'
  let awaySinceMs = clock.steadyMs()
  let round = 0
  let told = false
  let sinceMs: number | null = null
  let multiaddrs: string[] | null = null
  let used: number | null = null
  let capacity: number | null = null

  const look = async (signal: AbortSignal): Promise<void> => {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)])
    const { peerId, multiaddrs: own } = await ipfs.identity(bounded)
    const announced = announce.length > 0 ? announce : own
    if (trouble !== null || announced.join() !== multiaddrs?.join()) {
      await store.bindKubo(node, { peerId, multiaddrs: announced })
      await parts.onAnnounced()
    }
    multiaddrs = announced
    if (trouble !== null || round++ % statEvery === 0) {
      const stat = await ipfs.repoStat(bounded)
      used = stat.usedBytes
      capacity = stat.capacityBytes
    }
    if (trouble === null) return
    trouble = null
    told = false
    sinceMs = clock.now()
    log.info({ peerId }, 'Kubo answers')
    if (parts.strict) await warnOfFollowUps(ipfs, log, bounded)
    parts.onReturn()
    parts.onChange()
  }

  const fail = (error: unknown): void => {
    // an error of Postgres says nothing about Kubo
    if (isCode(error, 'unavailable')) return
    const isNew = trouble === null
    if (isNew) awaySinceMs = clock.steadyMs()
    sinceMs = null
    trouble = error instanceof Error ? error.message : String(error)
    if (isNew) parts.onChange()
    if (!told) log.warn({ err: error }, away)
    told = true
  }

  return {
    trouble: () => trouble,
    unable: () =>
      trouble === null ? null : { what: 'kubo', forMs: clock.steadyMs() - awaySinceMs, reason: trouble },
    sinceMs: () => sinceMs,
    usedBytes: () => used,
    capacityBytes: () => capacity,
    ipfs: guarded(ipfs, () => trouble),
    run: (signal) =>
      every(() => (trouble === null ? everyMs : everyMsUntilMet), look, { clock, signal, onError: fail }),
  }
}

/** Only warns, and Kubo continues to serve: the operator has to restrict what it dials. */
async function warnOfFollowUps(ipfs: Ipfs, log: Log, signal: AbortSignal): Promise<void> {
  try {
    for (const followUp of await ipfs.followUps(signal))
      log.warn(
        {},
        `strangers may make Kubo connect to private networks: ${followUp} (docs/operate.md, "Kubo's own ` +
          'dials")',
      )
  } catch (err) {
    log.warn({ err }, 'the config of Kubo could not be read to check which addresses it dials by itself')
  }
}

/** Wraps `ipfs` to reject while there is trouble: the state of a placement must never be read from another node's Kubo. */
function guarded(ipfs: Ipfs, trouble: () => string | null): Ipfs {
  const open = (): Ipfs => {
    const reason = trouble()
    if (reason !== null) throw new IpfsError('kubo_down', reason)
    return ipfs
  }
  return {
    pin: async (cid, options) => open().pin(cid, options),
    unpin: async (cid, signal) => open().unpin(cid, signal),
    pinned: async (cid, signal) => open().pinned(cid, signal),
    async *pins(signal) {
      yield* open().pins(signal)
    },
    connect: async (multiaddr, signal) => open().connect(multiaddr, signal),
    connectSibling: async (multiaddr, signal) => open().connectSibling(multiaddr, signal),
    peers: async (signal) => open().peers(signal),
    identity: async (signal) => open().identity(signal),
    followUps: async (signal) => open().followUps(signal),
    repoStat: async (signal) => open().repoStat(signal),
    collectGarbage: async (signal) => open().collectGarbage(signal),
  }
}

import { IpfsError } from '../core/ipfs-error.ts'
import type { NodeId } from '../core/ids.ts'
import type { Node } from '../core/node.ts'
import type { Ipfs, SteadyClock } from '../core/ports.ts'
import type { NodeWorker, Report } from './driver.ts'

/** Asking Kubo for its connections is cheap, and a sibling that restarted is missed soon. */
const everyMs = 5_000
/** A sibling that did not answer is dialled again this much later, or as soon as it announces something new. */
const againMs = 60_000
/** The most siblings that a run dials. The others have their turn in the next runs. */
const fanOut = 32
/** Siblings dialled at a time. */
const lanes = 8
/** A Kubo that has been connected to none of its siblings for this long is `alone`. */
const aloneAfterMs = 30_000

/** The dependencies of `siblings`. */
export interface SiblingParts {
  nodeId: NodeId
  nodes: () => readonly Node[]
  ipfs: Pick<Ipfs, 'connectSibling' | 'peers'>
  clock: Pick<SteadyClock, 'steadyMs'>
}

/**
 * Keeps this node's Kubo connected to the Kubos of the other nodes, so that a copy is fetched from a sibling without asking any DHT.
 *
 * It compares the peers that Kubo is connected to with the Kubos that answer on other live nodes, and dials those that are missing. One
 * connection serves both sides, whichever side dialled. Dialling a connected sibling changes nothing, so running it twice is safe.
 */
export function siblings(parts: SiblingParts): NodeWorker {
  const keeper = new Siblings(parts)
  return {
    name: 'siblings',
    everyMs,
    firstAfterMs: 2_000,
    leaderOnly: false,
    run: (turn) => keeper.run(turn),
  }
}

class Siblings {
  readonly #parts: SiblingParts
  /** Siblings that did not answer: when, and what they announced then. */
  readonly #silent = new Map<NodeId, { atMs: number; sign: string }>()
  #aloneSinceMs: number | null = null

  constructor(parts: SiblingParts) {
    this.#parts = parts
  }

  async run({ signal }: { signal: AbortSignal }): Promise<Report> {
    const { nodes, nodeId, ipfs } = this.#parts
    const others = nodes().filter((node) => node.id !== nodeId && answers(node))
    for (const id of this.#silent.keys()) if (!others.some((node) => node.id === id)) this.#silent.delete(id)
    let peers: ReadonlySet<string>
    try {
      peers = await ipfs.peers(signal)
    } catch (error) {
      if (!(error instanceof IpfsError && error.code === 'kubo_down')) throw error
      // A Kubo that does not answer is not alone: it is down, and reported as that.
      this.#aloneSinceMs = null
      return { siblings: others.length, dialled: 0, connected: 0, alone: false }
    }
    const missing = others.filter(({ peerId }) => !peers.has(peerId ?? ''))
    const dialled = missing.filter((node) => this.#isDue(node)).slice(0, fanOut)
    const reached = await this.#dial(dialled, signal)
    const connected = others.length - missing.length + reached
    return {
      siblings: others.length,
      dialled: dialled.length,
      connected,
      alone: this.#isAlone(others.length > 0 && connected === 0),
    }
  }

  #isDue(node: Node): boolean {
    const silent = this.#silent.get(node.id)
    if (node.multiaddrs.length === 0) return false
    if (silent === undefined || silent.sign !== kuboSignOf(node)) return true
    return this.#parts.clock.steadyMs() - silent.atMs >= againMs
  }

  #isAlone(now: boolean): boolean {
    const nowMs = this.#parts.clock.steadyMs()
    this.#aloneSinceMs = now ? (this.#aloneSinceMs ?? nowMs) : null
    return this.#aloneSinceMs !== null && nowMs - this.#aloneSinceMs >= aloneAfterMs
  }

  /** Returns how many of the nodes were reached. */
  async #dial(nodes: readonly Node[], signal: AbortSignal): Promise<number> {
    const { clock } = this.#parts
    let reached = 0
    const left = nodes.values()
    const lane = async (): Promise<void> => {
      for (const node of left) {
        const isReached = await this.#reach(node.multiaddrs, signal)
        if (isReached) {
          reached++
          this.#silent.delete(node.id)
        } else this.#silent.set(node.id, { atMs: clock.steadyMs(), sign: kuboSignOf(node) })
      }
    }
    await Promise.all(Array.from({ length: lanes }, lane))
    return reached
  }

  /** Connects to a sibling by its first address that answers. */
  async #reach(multiaddrs: readonly string[], signal: AbortSignal): Promise<boolean> {
    for (const multiaddr of multiaddrs) {
      signal.throwIfAborted()
      try {
        await this.#parts.ipfs.connectSibling(multiaddr, signal)
        return true
      } catch {
        // Another address may answer, and a later run tries again.
      }
    }
    return false
  }
}

/** Whether the Kubo of a node answers, as far as is known. Without a heartbeat, a node that once had a Kubo counts as having it. */
function answers({ live, kubo, multiaddrs }: Node): boolean {
  return live && (kubo === undefined ? multiaddrs.length > 0 : kubo.sinceMs !== null)
}

/** Changes when the Kubo of a node may have restarted, or has other addresses. */
export function kuboSignOf({ multiaddrs, kubo }: Node): string {
  return [kubo?.sinceMs ?? '', ...multiaddrs].join(' ')
}

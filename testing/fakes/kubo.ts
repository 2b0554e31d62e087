import { IpfsError } from '../../src/core/ipfs-error.ts'
import type { PinErrorCode } from '../../src/core/pin.ts'
import type { Progress } from '../../src/core/placement.ts'
import type { Clock, Ipfs } from '../../src/core/ports.ts'
import { dialable } from '../../src/ipfs/origin-policy.ts'

/** A fault that one CID can have. */
export type Fault =
  /** No peer has it: there are signs of life and no block, until the caller gives up. */
  | { kind: 'stall' }
  | { kind: 'fail'; code: PinErrorCode; permanent?: boolean; message?: string }
  /** One block comes every `everyMs`. */
  | { kind: 'slow'; everyMs: number }
  /** After that many blocks all calls fail, as if Kubo were killed, until `up`. */
  | { kind: 'crash'; afterBlocks: number }
  /** The call reports success, but the content is not pinned. */
  | { kind: 'lie' }

/** An `Ipfs` in memory that behaves like Kubo, and misbehaves on request. */
export interface FakeIpfs extends Ipfs {
  /** Makes content available; with `origin`, only once `connect` has dialled that. */
  offer(cid: string, size?: Progress, origin?: string): void
  /** Lasts until it is replaced; null ends it. */
  fault(cid: string, fault: Fault | null): void
  /** Pins as an operator would by hand. */
  pinByHand(cid: string, name: string, type?: 'recursive' | 'direct'): void
  /** Removes a pin of any name as an operator would by hand. */
  unpinByHand(cid: string): void
  /** Aborts all calls under way and refuses new ones until `up`. */
  down(): void
  up(): void
  /** All pins, by CID. */
  readonly standing: ReadonlyMap<string, { name: string; type: 'recursive' | 'direct' }>
  /** Bytes fetched so far by all pins. */
  fetchedBytes(): number
  /** How many pins are being fetched now. */
  underWay(): number
  /** How often garbage was collected. */
  collections(): number
}

export interface FakeIpfsOptions {
  pinName: string
  allowPrivateOrigins: boolean
  /** Whether a CID that was never offered is a single block within reach, or cannot be found anywhere. */
  unknownContent: 'single block' | 'nowhere'
  peerId: string
  multiaddrs: string[]
  capacityBytes: number
  /** The time between two signs of life. */
  tickMs: number
  clock: Pick<Clock, 'sleep'>
}

const aPeer = '12D3KooWPt9Y9Kqa4Lq8tWoMUkuz96ooswpuFLam6fqZ5udvAsJf'

export function fakeIpfs(options: Partial<FakeIpfsOptions> & Pick<FakeIpfsOptions, 'clock'>): FakeIpfs {
  return new MemoryIpfs({
    pinName: 'anchorage',
    allowPrivateOrigins: true,
    unknownContent: 'single block',
    peerId: aPeer,
    multiaddrs: [`/ip4/127.0.0.1/tcp/4001/p2p/${options.peerId ?? aPeer}`],
    capacityBytes: 10_000_000_000,
    tickMs: 500,
    ...options,
  })
}

interface Content {
  size: Progress
  /** Blocks that are here already. As in Kubo, blocks that an aborted pin fetched stay. */
  local: number
  peerId: string | null
}

class MemoryIpfs implements FakeIpfs {
  readonly standing = new Map<string, { name: string; type: 'recursive' | 'direct' }>()
  readonly #options: FakeIpfsOptions
  readonly #content = new Map<string, Content>()
  readonly #faults = new Map<string, Fault>()
  readonly #connected = new Set<string>()
  #fetched = 0
  #underWay = 0
  #collections = 0
  /** Aborted while the fake is down. */
  #life = new AbortController()

  constructor(options: FakeIpfsOptions) {
    this.#options = options
  }

  offer(cid: string, size: Progress = { blocks: 1, bytes: 256 }, origin?: string): void {
    this.#content.set(cid, {
      size,
      local: origin === undefined ? size.blocks : 0,
      peerId: origin === undefined ? null : peerOf(origin),
    })
  }

  fault(cid: string, fault: Fault | null): void {
    if (fault) this.#faults.set(cid, fault)
    else this.#faults.delete(cid)
  }

  pinByHand(cid: string, name: string, type: 'recursive' | 'direct' = 'recursive'): void {
    this.standing.set(cid, { name, type })
  }

  unpinByHand(cid: string): void {
    this.standing.delete(cid)
  }

  down(): void {
    this.#life.abort(new IpfsError('kubo_down', 'Kubo cannot be reached'))
  }

  up(): void {
    this.#life = new AbortController()
  }

  fetchedBytes(): number {
    return this.#fetched
  }

  underWay(): number {
    return this.#underWay
  }

  collections(): number {
    return this.#collections
  }

  async pin(
    cid: string,
    { signal, onProgress }: { signal: AbortSignal; onProgress: (progress: Progress) => void },
  ): Promise<Progress & { foreignPin: boolean }> {
    const both = await this.#enter(signal)
    const before = this.standing.get(cid)
    const foreignPin = before !== undefined && before.name !== this.#options.pinName
    const content = this.#contentOf(cid)
    if (before?.type === 'recursive') return { ...content.size, foreignPin }
    this.#underWay += 1
    try {
      await this.#fetch(cid, content, both, onProgress)
    } finally {
      this.#underWay -= 1
    }
    if (this.#faults.get(cid)?.kind !== 'lie')
      this.standing.set(cid, { name: before?.name ?? this.#options.pinName, type: 'recursive' })
    return { ...content.size, foreignPin }
  }

  async unpin(cid: string, signal: AbortSignal): Promise<'unpinned' | 'absent' | 'foreign'> {
    const owner = await this.pinned(cid, signal)
    if (owner === null) return 'absent'
    if (owner === 'foreign') return 'foreign'
    this.standing.delete(cid)
    return 'unpinned'
  }

  async pinned(cid: string, signal: AbortSignal): Promise<'ours' | 'foreign' | null> {
    await this.#enter(signal)
    const pin = this.standing.get(cid)
    if (pin?.type !== 'recursive') return null
    return pin.name === this.#options.pinName ? 'ours' : 'foreign'
  }

  async *pins(signal: AbortSignal): AsyncIterable<{ cid: string; ours: boolean }> {
    const both = await this.#enter(signal)
    for (const [cid, { name, type }] of this.standing) {
      both.throwIfAborted()
      if (type === 'recursive') yield { cid, ours: name === this.#options.pinName }
    }
  }

  async connect(origin: string, signal: AbortSignal): Promise<void> {
    await this.#enter(signal)
    await dialable(origin, {
      allowPrivateOrigins: this.#options.allowPrivateOrigins,
      resolveName: null,
      signal,
    })
    await this.#dial(origin)
  }

  async connectSibling(multiaddr: string, signal: AbortSignal): Promise<void> {
    await this.#enter(signal)
    await this.#dial(multiaddr)
  }

  async peers(signal: AbortSignal): Promise<ReadonlySet<string>> {
    await this.#enter(signal)
    return this.#connected
  }

  async identity(signal: AbortSignal): Promise<{ peerId: string; multiaddrs: string[]; version: string }> {
    await this.#enter(signal)
    return { peerId: this.#options.peerId, multiaddrs: this.#options.multiaddrs, version: '0.43.0' }
  }

  async followUps(signal: AbortSignal): Promise<string[]> {
    await this.#enter(signal)
    return []
  }

  async repoStat(signal: AbortSignal): Promise<{ usedBytes: number; capacityBytes: number }> {
    await this.#enter(signal)
    const sizes = [...this.#content.values()].map(({ size, local }) => (size.bytes * local) / size.blocks)
    const usedBytes = Math.ceil(sizes.reduce((sum, bytes) => sum + bytes, 0))
    return { usedBytes, capacityBytes: this.#options.capacityBytes }
  }

  async collectGarbage(signal: AbortSignal): Promise<{ removed: number; failed: number }> {
    await this.#enter(signal)
    this.#collections++
    let removed = 0
    for (const [cid, content] of this.#content) {
      if (this.standing.has(cid)) continue
      removed += content.local
      content.local = 0
    }
    return { removed, failed: 0 }
  }

  /**
   * Imitates a round trip: an answer never comes in the same turn. The returned signal aborts with the caller's, or when the fake goes
   * down.
   */
  async #enter(signal: AbortSignal): Promise<AbortSignal> {
    signal.throwIfAborted()
    await Promise.resolve()
    const both = AbortSignal.any([signal, this.#life.signal])
    both.throwIfAborted()
    return both
  }

  #contentOf(cid: string): Content {
    const known = this.#content.get(cid)
    if (known) return known
    const local = this.#options.unknownContent === 'single block' ? 1 : 0
    return { size: { blocks: 1, bytes: 256 }, local, peerId: null }
  }

  /** Fetches block by block, with a sign of life at every tick while no block arrives. */
  async #fetch(
    cid: string,
    content: Content,
    signal: AbortSignal,
    onProgress: (progress: Progress) => void,
  ): Promise<void> {
    const { clock, tickMs } = this.#options
    const fault = this.#faults.get(cid)
    if (fault?.kind === 'fail')
      throw new IpfsError(fault.code, fault.message ?? `asked to fail with ${fault.code}`, {
        permanent: fault.permanent ?? false,
      })
    const blockBytes = content.size.bytes / content.size.blocks
    const tell = (blocks: number) => onProgress({ blocks, bytes: Math.round(blocks * blockBytes) })
    for (let blocks = 0; blocks < content.size.blocks; blocks += 1) {
      while (this.#faults.get(cid)?.kind === 'stall' || !this.#reachable(content, blocks)) {
        await clock.sleep(tickMs, signal)
        tell(blocks)
      }
      if (fault?.kind === 'crash' && blocks >= fault.afterBlocks) this.down()
      if (fault?.kind === 'slow') await clock.sleep(fault.everyMs, signal)
      signal.throwIfAborted()
      if (blocks >= content.local) {
        content.local = blocks + 1
        this.#fetched += blockBytes
      }
      tell(blocks + 1)
    }
  }

  #reachable(content: Content, block: number): boolean {
    return block < content.local || (content.peerId !== null && this.#connected.has(content.peerId))
  }

  async #dial(multiaddr: string): Promise<void> {
    const peerId = peerOf(multiaddr)
    if (![...this.#content.values()].some((content) => content.peerId === peerId))
      throw new IpfsError('bad_origin', 'the origin could not be dialled')
    this.#connected.add(peerId)
  }
}

function peerOf(multiaddr: string): string {
  return multiaddr.split('/p2p/').at(-1) ?? ''
}

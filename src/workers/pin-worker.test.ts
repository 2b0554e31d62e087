import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mintId } from '../core/ids.ts'
import { IpfsError } from '../core/ipfs-error.ts'
import type { NodeState } from '../core/node.ts'
import type { Job, Outcome, Progress } from '../core/placement.ts'
import type { Bus, Ipfs } from '../core/ports.ts'
import { fakeClock } from '../../testing/fakes/clock.ts'
import type { FakeClock } from '../../testing/fakes/clock.ts'
import { FakePlacements } from '../../testing/fakes/placements.ts'
import { Intake } from './intake.ts'
import { pinWorker } from './pin-worker.ts'
import type { PinWorkerOptions } from './pin-worker-parts.ts'
import { silentLog } from '../core/silent-log.ts'

const orgA = mintId('org')
const orgB = mintId('org')
const nodeId = mintId('nod')

/** The fake Kubo's behaviour for one CID. Content without a fate is available and takes `pinMs`. */
type Fate =
  | 'unfindable'
  | { fail: IpfsError }
  | { blocks: number; everyMs: number; stopAfter?: number; blockBytes?: number }

/** A Kubo that runs on the fake clock. It fails the test when two writes of one CID overlap. */
class ScriptedKubo implements Ipfs {
  readonly pinsNow = new Map<string, 'ours' | 'foreign'>()
  readonly fates = new Map<string, Fate>()
  readonly connected: string[] = []
  readonly aborted: string[] = []
  pinMs = 20
  down = false
  /** Kubo reports success for a pin but does not have it, which a concurrent unpin can cause. */
  lie = false
  /** Called with the size of each block that comes. */
  onBytes: (bytes: number) => void = () => {}
  writes = 0
  most = 0
  readonly #writing = new Set<string>()
  readonly #clock: FakeClock
  #fell = new AbortController()

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  fall(): void {
    this.down = true
    this.#fell.abort(new IpfsError('kubo_down', 'Kubo is away'))
    this.#fell = new AbortController()
  }

  pin(
    cid: string,
    options: { signal: AbortSignal; onProgress: (progress: Progress) => void },
  ): Promise<Progress & { foreignPin: boolean }> {
    return this.#write(cid, async () => {
      const signal = AbortSignal.any([options.signal, this.#fell.signal])
      const done = await this.#fetch(cid, signal, options.onProgress)
      if (this.pinsNow.get(cid) === 'foreign') return { ...done, foreignPin: true }
      if (!this.lie) this.pinsNow.set(cid, 'ours')
      return { ...done, foreignPin: false }
    }).catch((error: unknown) => {
      if (options.signal.aborted) this.aborted.push(cid)
      throw error
    })
  }

  async #fetch(
    cid: string,
    signal: AbortSignal,
    onProgress: (progress: Progress) => void,
  ): Promise<Progress> {
    const fate = this.fates.get(cid)
    if (fate === undefined) {
      await this.#clock.sleep(this.pinMs, signal)
      onProgress({ blocks: 1, bytes: 100 })
      return { blocks: 1, bytes: 100 }
    }
    if (fate === 'unfindable') {
      for (;;) {
        await this.#clock.sleep(500, signal)
        onProgress({ blocks: 0, bytes: 0 })
      }
    }
    if ('fail' in fate) throw fate.fail
    for (let blocks = 1; blocks <= fate.blocks; blocks++) {
      await this.#clock.sleep(blocks > (fate.stopAfter ?? Infinity) ? 1e9 : fate.everyMs, signal)
      onProgress({ blocks, bytes: blocks * (fate.blockBytes ?? 100) })
      this.onBytes(fate.blockBytes ?? 0)
    }
    return { blocks: fate.blocks, bytes: fate.blocks * (fate.blockBytes ?? 100) }
  }

  unpin(cid: string, signal: AbortSignal): Promise<'unpinned' | 'absent' | 'foreign'> {
    return this.#write(cid, async () => {
      await this.#clock.sleep(this.pinMs, signal)
      const had = this.pinsNow.get(cid)
      if (had === 'foreign') return 'foreign'
      return this.pinsNow.delete(cid) ? 'unpinned' : 'absent'
    })
  }

  async collectGarbage() {
    return { removed: 0, failed: 0 }
  }

  async #write<T>(cid: string, work: () => Promise<T>): Promise<T> {
    if (this.down) throw new IpfsError('kubo_down', 'Kubo is away')
    assert.ok(!this.#writing.has(cid), `two writes of ${cid} at a time`)
    this.#writing.add(cid)
    this.writes++
    this.most = Math.max(this.most, this.#writing.size)
    try {
      return await work()
    } finally {
      this.#writing.delete(cid)
    }
  }

  async pinned(cid: string): Promise<'ours' | 'foreign' | null> {
    return this.pinsNow.get(cid) ?? null
  }

  async *pins(): AsyncIterable<{ cid: string; ours: boolean }> {
    for (const [cid, whose] of this.pinsNow) yield { cid, ours: whose === 'ours' }
  }

  async connect(origin: string): Promise<void> {
    this.connected.push(origin)
    if (origin.includes('dead')) throw new IpfsError('bad_origin', 'no answer')
  }

  async connectSibling(multiaddr: string): Promise<void> {
    this.connected.push(multiaddr)
  }

  async peers(): Promise<ReadonlySet<string>> {
    return new Set()
  }

  async identity(): Promise<{ peerId: string; multiaddrs: string[]; version: string }> {
    if (this.down) throw new IpfsError('kubo_down', 'Kubo is away')
    return { peerId: 'p', multiaddrs: [], version: '0.43.0' }
  }

  async followUps(): Promise<string[]> {
    return []
  }

  async repoStat(): Promise<{ usedBytes: number; capacityBytes: number }> {
    return { usedBytes: 0, capacityBytes: 1 }
  }
}

/** A bus on which a test publishes; `hint` resolves when the worker has acknowledged the job. */
class ScriptedBus implements Bus {
  #onJob: ((job: Job) => Promise<void>) | null = null
  listening = false

  async publishJobs(): Promise<void> {}

  consumeJobs(
    _nodeId: string,
    _maxPending: number,
    onJob: (job: Job) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    this.#onJob = onJob
    this.listening = !signal.aborted
    return new Promise((resolve) => {
      const end = () => {
        this.listening = false
        resolve()
      }
      signal.addEventListener('abort', end, { once: true })
    })
  }

  hint(job: Job): Promise<void> {
    return this.#onJob?.(job) ?? Promise.resolve()
  }

  trouble(): string | null {
    return null
  }
}

const options: PinWorkerOptions = {
  concurrency: 32,
  stallTimeoutMs: 20_000,
  minRateBytes: 1_024,
  maxAgeMs: 600_000,
  backoffMinMs: 5_000,
  backoffMaxMs: 60_000,
  pollIntervalMs: 2_000,
}

/** A running worker. At the end of the block it is stopped, and checked to have left nothing behind. */
async function atWork(some: Partial<PinWorkerOptions> = {}, prepare?: (world: Prepared) => void) {
  const clock = fakeClock()
  const placements = new FakePlacements(clock, nodeId)
  const kubo = new ScriptedKubo(clock)
  const bus = new ScriptedBus()
  const wanted: { state: NodeState } = { state: 'active' }
  const past = { restored: false, noticed: false }
  const intake = new Intake({
    state: () => wanted.state,
    restored: () => past.noticed,
    graceMs: 120_000,
    clock,
  })
  const disk = { used: 0, mark: 1e9, elsewhere: true }
  kubo.onBytes = (bytes) => (disk.used += bytes)
  prepare?.({ placements, kubo, clock })
  const traced: string[] = []
  const ends: { cid: string; kind: Outcome['kind']; tookMs: number }[] = []
  const worker = pinWorker({
    identity: { nodeId, incarnation: 7 },
    bus,
    placements,
    ipfs: kubo,
    clock,
    log: silentLog,
    options: { ...options, ...some },
    random: () => 0.5,
    taking: () => intake.taking(),
    isRestored: async () => (past.noticed = past.restored),
    room: {
      usedBytes: () => disk.used,
      leftBytes: () => Math.max(disk.mark - disk.used, 0),
      elsewhere: () => disk.elsewhere,
    },
    trace: {
      async attempt({ cid }, work) {
        traced.push(`${cid} begins`)
        const { kind } = await work()
        traced.push(`${cid} ${kind}`)
        return { kind: 'released' }
      },
      async outcome(write) {
        const before = placements.finished.length
        const answer = await write()
        traced.push(`${placements.finished.length - before} written`)
        return answer
      },
    },
    onEnd: ({ cid }, { kind }, tookMs) => ends.push({ cid, kind, tookMs }),
  })
  const stopping = new AbortController()
  let over = false
  const running = worker.run(stopping.signal).then(() => (over = true))
  await clock.pass(0)
  const stop = async () => {
    stopping.abort()
    await clock.until(() => over, 60_000)
    await running
  }
  return {
    clock,
    placements,
    kubo,
    bus,
    worker,
    wanted,
    past,
    intake,
    disk,
    ends,
    traced,
    stop,
    /** Asks for `cid` and sends the hint, as an accept does. */
    ask(cid: string, org = orgA, offered: { origins?: string[]; holders?: string[] } = {}) {
      return bus.hint(placements.want(cid, org, offered))
    },
    isPinned: (cid: string) => placements.row(cid).state === 'pinned',
    async [Symbol.asyncDispose]() {
      placements.down = false
      placements.refuseFinish = () => false
      kubo.down = false
      await stop()
      assert.equal(clock.sleepers(), 0, 'nothing waits after a stop')
    },
  }
}

interface Prepared {
  placements: FakePlacements
  kubo: ScriptedKubo
  clock: FakeClock
}

test('a hint is claimed, acknowledged, pinned and finished', async () => {
  await using at = await atWork()
  let acknowledged = false
  void at.ask('c1').then(() => (acknowledged = true))
  await at.clock.pass(1)
  assert.ok(acknowledged, 'at the claim, not at the end')
  assert.equal(at.placements.row('c1').state, 'pinning')
  await at.clock.until(() => at.isPinned('c1'), 100)
  assert.equal(at.kubo.pinsNow.get('c1'), 'ours')
  assert.deepEqual(at.placements.finished, [
    { cid: 'c1', generation: 1, outcome: { kind: 'pinned', blocks: 1, bytes: 100, foreignPin: false } },
  ])
})

test('a trace covers an attempt from its claim until its outcome is written, and changes nothing', async () => {
  await using at = await atWork()
  void at.ask('c1')
  await at.clock.until(() => at.traced.length === 3, 100)
  assert.deepEqual(at.traced, ['c1 begins', '1 written', 'c1 pinned'])
  assert.ok(at.isPinned('c1'))
})

test('the end of each attempt is reported, with its outcome and how long it took', async () => {
  await using at = await atWork({}, ({ kubo }) =>
    kubo.fates.set('bad', { fail: new IpfsError('bad_content', 'no such codec') }),
  )
  for (const cid of ['good', 'bad']) void at.ask(cid)
  await at.clock.until(() => at.isPinned('good') && at.ends.length === 2, 100)
  at.placements.unwant('good')
  await at.clock.until(() => at.ends.length === 3, 2_500)
  assert.deepEqual(
    new Set(at.ends.map(({ cid, kind, tookMs }) => `${cid} ${kind} ${tookMs >= 20}`)),
    new Set(['bad retry false', 'good pinned true', 'good unpinned true']),
  )
})

test('without hints, due work is found at the start, and later within the poll interval', async () => {
  await using at = await atWork({}, ({ placements }) => void placements.want('before', orgA))
  await at.clock.until(() => at.isPinned('before'), 100)
  at.placements.want('after', orgA)
  await at.clock.until(() => at.isPinned('after'), 2_500)
})

test('repeated, late and old hints are acknowledged and change nothing', async () => {
  await using at = await atWork()
  const old = at.placements.want('c1', orgA)
  at.placements.unwant('c1')
  const job = at.placements.want('c1', orgA)
  let acknowledged = 0
  for (const one of [job, job, old, job]) void at.bus.hint(one).then(() => acknowledged++)
  await at.clock.until(() => at.isPinned('c1'), 2_500)
  void at.bus.hint(job).then(() => acknowledged++)
  void at.bus.hint({ ...job, cid: 'never heard of' }).then(() => acknowledged++)
  await at.clock.pass(100)
  assert.equal(acknowledged, 6)
  assert.equal(at.kubo.writes, 1)
})

test('a backlog is worked off with full slots and shared calls', async () => {
  await using at = await atWork({}, ({ placements }) => {
    placements.latencyMs = 5
    for (let index = 0; index < 5_000; index++) placements.want(`c${index}`, index % 2 ? orgA : orgB)
  })
  const tookMs = await at.clock.until(() => at.placements.countIn('pinned') === 5_000, 60_000)
  assert.ok(tookMs <= (5_000 / 32) * (5 + 5 + 5 + 20) * 1.1, `${tookMs} ms of clock`)
  assert.equal(at.kubo.most, 32)
  const { claim, finish, due } = at.placements.calls
  assert.ok(claim < 600 && finish < 300 && due < 60, `${claim} claims, ${finish} finishes, ${due} reads`)
})

test('an org with 100,000 pins does not hold up one with a single pin', async () => {
  await using at = await atWork({}, ({ placements }) => {
    for (let index = 0; index < 100_000; index++) placements.want(`c${index}`, orgA)
  })
  await at.clock.pass(1_000)
  void at.ask('single', orgB)
  await at.clock.until(() => at.isPinned('single'), 200)
  assert.ok(at.worker.stats().queued <= 2_048)
})

test('200 fresh pins are pinned while 300 CIDs that no peer has still wait', async () => {
  await using at = await atWork()
  for (let index = 0; index < 300; index++) {
    at.kubo.fates.set(`dead${index}`, 'unfindable')
    void at.ask(`dead${index}`)
  }
  await at.clock.pass(3_000)
  for (let index = 0; index < 200; index++) void at.ask(`fresh${index}`)
  await at.clock.until(() => at.placements.countIn('pinned') === 200, 10_000)
  assert.equal(at.placements.countIn('failed'), 0)
  // The same holds once the jobs of dead CIDs are all retries.
  await at.clock.pass(120_000)
  for (let index = 0; index < 200; index++) void at.ask(`late${index}`)
  await at.clock.until(() => at.placements.countIn('pinned') === 400, 2_000)
})

test('a CID that no peer has is retried with backoff and fails with its reason at the age limit', async () => {
  await using at = await atWork({ stallTimeoutMs: 5_000, maxAgeMs: 60_000 })
  at.kubo.fates.set('dead', 'unfindable')
  void at.ask('dead', orgA, { origins: ['/dead/p2p/x', '/fine/p2p/y'] })
  await at.clock.pass(7_000)
  const row = at.placements.row('dead')
  assert.equal(row.state, 'queued')
  assert.equal(row.errorCode, 'not_found_in_time')
  assert.match(row.error ?? '', /1 of 2 origins could not be reached/)
  const tookMs = 7_000 + (await at.clock.until(() => row.state === 'failed', 80_000))
  assert.ok(tookMs >= 60_000 && tookMs <= 66_000, `failed after ${tookMs} ms`)
  assert.equal(row.errorCode, 'not_found_in_time')
  assert.ok(row.attempts >= 3, `${row.attempts} attempts`)
  await at.clock.pass(60_000)
  assert.equal(row.state, 'failed')
})

test('content that was asked for long ago and never tried still gets its first attempt', async () => {
  await using at = await atWork({}, ({ placements, kubo, clock }) => {
    kubo.fates.set('slow', { blocks: 5, everyMs: 1_000 })
    placements.want('slow', orgA)
    placements.row('slow').wantedAtMs = clock.now() - 10 * options.maxAgeMs
  })
  await at.clock.until(() => at.isPinned('slow'), 10_000)
})

test('content that stops coming is stalled, content that comes slowly is not', async () => {
  await using at = await atWork()
  at.kubo.fates.set('stops', { blocks: 10, everyMs: 1_000, stopAfter: 3 })
  at.kubo.fates.set('slow', { blocks: 10, everyMs: 19_000 })
  void at.ask('stops')
  void at.ask('slow')
  await at.clock.pass(26_000)
  assert.equal(at.placements.row('stops').errorCode, 'stalled')
  assert.match(at.placements.row('stops').error ?? '', /3 blocks arrived/)
  await at.clock.until(() => at.isPinned('slow'), 190_000)
})

/** The default limits. */
const usual = { stallTimeoutMs: 120_000, maxAgeMs: 86_400_000 }

test('an attempt with a block every two minutes ends ten minutes after its first block, reports how slow it was, and holds up no other', async () => {
  await using at = await atWork(usual)
  const trickle = { blocks: 10_000, everyMs: 119_000, blockBytes: 100 }
  for (let index = 0; index < 100; index++) {
    at.kubo.fates.set(`trickle${index}`, trickle)
    void at.ask(`trickle${index}`)
  }
  const row = at.placements.row('trickle0')
  const tookMs = await at.clock.until(() => row.state === 'queued' && row.attempts > 0, 1_000_000)
  assert.ok(tookMs >= 719_000 && tookMs <= 722_000, `${tookMs} ms`)
  assert.equal(row.errorCode, 'stalled')
  assert.match(
    row.error ?? '',
    /^too slow: 6 blocks arrived, with 500 bytes within the last 60[01] s; the minimum is 1024 bytes a second$/,
  )
  assert.partialDeepStrictEqual(at.placements.finished[0]?.outcome, { kind: 'retry', blocks: 6, bytes: 600 })
  for (let index = 0; index < 200; index++) void at.ask(`fresh${index}`)
  await at.clock.until(() => at.placements.countIn('pinned') === 200, 10_000)
  await at.clock.until(() => row.attempts === 2, options.backoffMinMs + 10_000)
})

test('a little more than the least rate continues, also in blocks that are tiny; with no least rate anything does', async () => {
  await using at = await atWork(usual)
  at.kubo.fates.set('slow', { blocks: 22, everyMs: 60_000, blockBytes: 62_000 })
  at.kubo.fates.set('tiny', { blocks: 350, everyMs: 3_900, blockBytes: 1 })
  void at.ask('slow')
  void at.ask('tiny')
  await at.clock.until(() => at.isPinned('slow') && at.isPinned('tiny'), 1_400_000)
  assert.equal(at.kubo.aborted.length, 0)
  await using free = await atWork({ ...usual, minRateBytes: 0 })
  free.kubo.fates.set('trickle', { blocks: 20, everyMs: 119_000, blockBytes: 1 })
  void free.ask('trickle')
  await free.clock.until(() => free.isPinned('trickle'), 20 * 119_000 + 1_000)
})

test('content that was fast and becomes slow is given up at the end of the next ten minutes', async () => {
  await using at = await atWork(usual)
  const fate = { blocks: 10_000, everyMs: 1_000 }
  at.kubo.fates.set('grows slow', fate)
  void at.ask('grows slow')
  await at.clock.pass(300_000)
  fate.everyMs = 119_000
  await at.clock.pass(900_000)
  assert.equal(at.placements.row('grows slow').state, 'pinning')
  await at.clock.until(() => at.placements.row('grows slow').errorCode === 'stalled', 4_000)
})

test('a fetch that is handed back because Kubo is needed does not count as an attempt, and an unpin continues to its end', async () => {
  await using at = await atWork()
  void at.ask('gone')
  await at.clock.until(() => at.isPinned('gone'), 100)
  at.kubo.fates.set('long', { blocks: 1_000, everyMs: 100 })
  void at.ask('long')
  at.kubo.pinMs = 2_000
  void at.bus.hint(at.placements.unwant('gone'))
  await at.clock.pass(1_000)
  const hold = at.intake.hold()
  at.worker.release()
  await at.clock.pass(500)
  assert.deepEqual([at.worker.underWay(), at.placements.row('long').state], [1, 'queued'])
  assert.deepEqual([at.placements.row('long').attempts, at.placements.row('long').errorCode], [0, null])
  await at.clock.until(() => !at.placements.rows.has('gone'), 2_000)
  hold[Symbol.dispose]()
  await at.clock.until(() => at.placements.row('long').state === 'pinning', 3_000)
})

test('progress reaches Postgres, and long work keeps its claim', async () => {
  await using at = await atWork()
  at.kubo.fates.set('big', { blocks: 300, everyMs: 1_000 })
  void at.ask('big')
  await at.clock.pass(10_000)
  const { blocks } = at.placements.row('big')
  assert.ok(blocks >= 6 && blocks <= 10, `${blocks} blocks reported`)
  for (let second = 10; second < 290; second += 5) {
    await at.clock.pass(5_000)
    assert.ok((at.placements.row('big').claimedUntilMs ?? 0) > at.clock.now(), 'claimed without a gap')
  }
  await at.clock.until(() => at.isPinned('big'), 30_000)
  assert.ok(at.placements.calls.extend < 160, `${at.placements.calls.extend} extensions`)
})

test('a permanent refusal fails at once, with its code; a temporary one is tried again', async () => {
  await using at = await atWork()
  at.kubo.fates.set('bad', { fail: new IpfsError('bad_content', 'not a DAG\0', { permanent: true }) })
  at.kubo.fates.set('odd', { fail: new IpfsError('kubo_error', 'try later') })
  void at.ask('bad')
  void at.ask('odd')
  await at.clock.pass(100)
  assert.equal(at.placements.row('bad').state, 'failed')
  assert.equal(at.placements.row('bad').errorCode, 'bad_content')
  assert.equal(at.placements.row('bad').error, 'not a DAG')
  assert.equal(at.placements.row('odd').state, 'queued')
  at.kubo.fates.delete('odd')
  await at.clock.until(() => at.isPinned('odd'), 10_000)
})

test('a DELETE during the fetch stops Kubo at once, then the unpin runs', async () => {
  await using at = await atWork()
  at.kubo.fates.set('big', { blocks: 1_000, everyMs: 100 })
  void at.ask('big')
  await at.clock.pass(5_000)
  void at.bus.hint(at.placements.unwant('big'))
  await at.clock.pass(0)
  assert.deepEqual(at.kubo.aborted, ['big'])
  await at.clock.until(() => !at.placements.rows.has('big'), 200)
  assert.equal(at.kubo.pinsNow.size, 0)
})

test('a DELETE whose hint is lost stops Kubo at the next extension', async () => {
  await using at = await atWork()
  at.kubo.fates.set('big', { blocks: 1_000, everyMs: 100 })
  void at.ask('big')
  await at.clock.pass(5_000)
  at.placements.unwant('big')
  await at.clock.until(() => !at.placements.rows.has('big'), 3_500)
  assert.deepEqual(at.kubo.aborted, ['big'])
})

test('content that is wanted again while its unpin runs is pinned again after that unpin, and is then verified', async () => {
  await using at = await atWork()
  void at.ask('c1')
  await at.clock.until(() => at.isPinned('c1'), 100)
  at.kubo.pinMs = 1_000
  void at.bus.hint(at.placements.unwant('c1'))
  await at.clock.pass(500)
  void at.ask('c1')
  await at.clock.until(() => at.isPinned('c1'), 3_000)
  assert.equal(at.kubo.pinsNow.get('c1'), 'ours')
  assert.equal(at.kubo.writes, 3)
})

test('content that is wanted, unwanted and wanted again in quick succession ends pinned', async () => {
  await using at = await atWork()
  void at.ask('c1')
  await at.clock.pass(5)
  for (let round = 0; round < 5; round++) {
    void at.bus.hint(at.placements.unwant('c1'))
    if (round % 2) await at.clock.pass(7)
    void at.ask('c1')
    if (round % 3) await at.clock.pass(11)
  }
  await at.clock.until(() => at.isPinned('c1'), 2_000)
  await at.clock.pass(5_000)
  assert.equal(at.kubo.pinsNow.get('c1'), 'ours')
  assert.ok(at.isPinned('c1'))
})

test('a pin that Kubo reports but does not list is not finished as pinned when it must be verified', async () => {
  await using at = await atWork({}, ({ placements, kubo }) => {
    placements.want('c1', orgA)
    placements.row('c1').verify = true
    kubo.lie = true
  })
  await at.clock.pass(1_000)
  assert.equal(at.placements.row('c1').state, 'queued')
  assert.equal(at.placements.row('c1').errorCode, 'kubo_error')
  at.kubo.lie = false
  await at.clock.until(() => at.isPinned('c1'), 10_000)
})

test('foreign pins are noted, and stay when ours is unpinned', async () => {
  await using at = await atWork()
  at.kubo.pinsNow.set('c1', 'foreign')
  void at.ask('c1')
  await at.clock.until(() => at.isPinned('c1'), 100)
  assert.partialDeepStrictEqual(at.placements.finished, [{ outcome: { kind: 'pinned', foreignPin: true } }])
  void at.bus.hint(at.placements.unwant('c1'))
  await at.clock.until(() => !at.placements.rows.has('c1'), 1_000)
  assert.equal(at.kubo.pinsNow.get('c1'), 'foreign')
})

test('origins and holders are dialled beside the pin, and so are origins that are offered later', async () => {
  await using at = await atWork()
  at.kubo.fates.set('c1', 'unfindable')
  void at.ask('c1', orgA, { origins: ['/dead/p2p/a', '/b/p2p/b'], holders: ['/sibling/p2p/s'] })
  await at.clock.pass(100)
  assert.deepEqual(at.kubo.connected.toSorted(), ['/b/p2p/b', '/dead/p2p/a', '/sibling/p2p/s'])
  void at.ask('c1', orgB, { origins: ['/c/p2p/c'] })
  await at.clock.pass(1_500)
  assert.deepEqual(at.kubo.connected.slice(3), ['/c/p2p/c'])
})

test('when Kubo dies, no attempt is used up, nothing is lost, and all work continues once it is back', async () => {
  await using at = await atWork()
  for (let index = 0; index < 500; index++) void at.ask(`c${index}`)
  await at.clock.pass(100)
  at.kubo.fall()
  await at.clock.pass(60_000)
  const { claim } = at.placements.calls
  assert.deepEqual(at.worker.stats().waitingFor, ['kubo'])
  await at.clock.pass(60_000)
  assert.equal(at.placements.calls.claim, claim, 'nothing is claimed meanwhile')
  for (const row of at.placements.rows.values()) {
    assert.ok(row.attempts <= 1)
    assert.equal(row.errorCode, null)
  }
  at.kubo.down = false
  await at.clock.until(() => at.placements.countIn('pinned') === 500, 10_000)
  assert.ok([...at.placements.rows.values()].every((row) => row.attempts === 1))
})

test("when Postgres dies, Kubo's work is written once it is back, and is not done again", async () => {
  await using at = await atWork()
  for (let index = 0; index < 500; index++) void at.ask(`c${index}`)
  await at.clock.pass(110)
  at.placements.down = true
  await at.clock.pass(60_000)
  const { writes } = at.kubo
  assert.ok(writes < 500)
  assert.ok(at.worker.stats().waitingFor.includes('postgres'))
  assert.equal(at.placements.countIn('pinned'), writes - at.worker.stats().finishing)
  at.placements.down = false
  await at.clock.until(() => at.placements.countIn('pinned') === 500, 15_000)
  assert.equal(at.kubo.writes, 500)
})

test('a finish whose answer is lost is written again, without effect', async () => {
  await using at = await atWork()
  at.placements.loseFinishAnswers = 2
  void at.ask('c1')
  await at.clock.until(() => at.isPinned('c1'), 5_000)
  void at.bus.hint(at.placements.unwant('c1'))
  await at.clock.until(() => !at.placements.rows.has('c1'), 5_000)
  assert.equal(at.placements.finished.length, 2)
})

test('a finish that Postgres always refuses does not hold back the others of its batch', async () => {
  await using at = await atWork()
  at.placements.refuseFinish = ({ cid }) => cid === 'poison'
  for (const cid of ['a', 'poison', 'b', 'c']) void at.ask(cid)
  await at.clock.until(() => ['a', 'b', 'c'].every(at.isPinned), 10_000)
  assert.equal(at.placements.row('poison').state, 'pinning')
  void at.ask('d')
  await at.clock.until(() => at.isPinned('d'), 10_000)
})

test('an attempt goes on while Postgres is away, even if its claim ran out and its placement was queued again', async () => {
  await using at = await atWork()
  at.kubo.fates.set('c1', { blocks: 100, everyMs: 1_000 })
  void at.ask('c1')
  await at.clock.pass(3_000)
  at.placements.down = true
  await at.clock.pass(60_000)
  at.placements.expire('c1')
  at.placements.down = false
  await at.clock.until(() => at.placements.row('c1').state === 'pinning', 10_000)
  assert.ok(at.placements.row('c1').blocks >= 60, 'its progress is kept')
  await at.clock.until(() => at.isPinned('c1'), 60_000)
  assert.deepEqual([at.kubo.writes, at.kubo.aborted, at.placements.row('c1').attempts], [1, [], 1])
})

test('an outcome counts even if the claim ran out and the placement was queued again', async () => {
  await using at = await atWork()
  at.kubo.fates.set('c1', { blocks: 40, everyMs: 1_000 })
  void at.ask('c1')
  await at.clock.pass(3_000)
  at.placements.down = true
  await at.clock.pass(40_000)
  at.placements.expire('c1')
  at.placements.down = false
  await at.clock.until(() => at.isPinned('c1'), 10_000)
  assert.deepEqual([at.kubo.writes, at.placements.row('c1').attempts], [1, 1])
})

test('a step of the clock by a day, either way, changes nothing under way', async () => {
  await using at = await atWork({ maxAgeMs: 300_000 })
  at.kubo.fates.set('big', { blocks: 100, everyMs: 1_000 })
  at.kubo.fates.set('lost', 'unfindable')
  for (const cid of ['big', 'lost']) void at.ask(cid)
  const day = 86_400_000
  for (const step of [day, -day, -day, day]) {
    await at.clock.pass(3_000)
    at.clock.step(step)
  }
  await at.clock.pass(7_000)
  assert.equal(at.placements.finished.length, 0, 'nothing ended before its time')
  await at.clock.pass(3_000)
  assert.deepEqual(
    at.placements.finished.map(({ cid, outcome }) => [cid, outcome.kind]),
    [['lost', 'retry']],
  )
  at.clock.step(-day)
  await at.clock.until(() => at.placements.row('lost').attempts === 2, options.backoffMinMs + 3_000)
  await at.clock.until(() => at.isPinned('big'), 100_000)
})

test('an attempt whose claim Postgres has lost is given up, and its placement is looked at again', async () => {
  await using at = await atWork()
  at.kubo.fates.set('c1', { blocks: 20, everyMs: 1_000 })
  void at.ask('c1')
  await at.clock.pass(3_000)
  const lost = { state: 'queued', claimedUntilMs: null, claimedBy: null, claimedGeneration: null }
  Object.assign(at.placements.row('c1'), lost)
  await at.clock.until(() => at.kubo.aborted.length === 1, 3_500)
  at.kubo.fates.delete('c1')
  await at.clock.until(() => at.isPinned('c1'), 3_000)
})

test('a claim of another incarnation is void, and what it may have left in Kubo is verified', async () => {
  await using at = await atWork({}, ({ placements }) => {
    placements.want('c1', orgA)
    Object.assign(placements.row('c1'), { claimedBy: 6, claimedUntilMs: Infinity, claimedGeneration: 1 })
  })
  await at.clock.until(() => at.isPinned('c1'), 500)
  assert.equal(at.placements.row('c1').verify, true)
})

test('a stop lets a fetch finish that is nearly complete, hands the others back untouched, and starts nothing new', async () => {
  const at = await atWork()
  at.kubo.fates.set('soon', { blocks: 10, everyMs: 200 })
  at.kubo.fates.set('big', { blocks: 1_000, everyMs: 100 })
  at.kubo.fates.set('dead', 'unfindable')
  for (const cid of ['soon', 'big', 'dead']) void at.ask(cid)
  await at.clock.pass(1_000)
  const stopped = at.stop()
  void at.ask('new')
  await stopped
  assert.equal(at.placements.row('soon').state, 'pinned')
  for (const cid of ['big', 'dead', 'new']) {
    const row = at.placements.row(cid)
    assert.deepEqual([row.state, row.attempts, row.claimedUntilMs], ['queued', 0, null], cid)
  }
  assert.equal(at.clock.sleepers(), 0)
})

test('a stop ends even while Postgres is down', async () => {
  const at = await atWork()
  at.kubo.fates.set('dead', 'unfindable')
  void at.ask('dead')
  void at.ask('c1')
  await at.clock.pass(10)
  at.placements.down = true
  await at.clock.pass(1_000)
  const startMs = at.clock.now()
  await at.stop()
  assert.ok(at.clock.now() - startMs <= 8_000)
})

test('a draining node continues until its grace period is over; then it starts only unpins, from Postgres', async () => {
  await using at = await atWork({ concurrency: 1 })
  at.wanted.state = 'draining'
  at.kubo.fates.set('long', { blocks: 3_000, everyMs: 100 })
  void at.ask('long')
  await at.clock.pass(119_000)
  assert.equal(at.worker.stats().taking, 'everything')
  assert.equal(at.bus.listening, true)
  let looked = 0
  for (let index = 0; index < 5; index++) void at.ask(`q${index}`).then(() => looked++)
  at.kubo.pinMs = 700
  await at.clock.pass(2_000)
  assert.deepEqual([at.worker.stats().taking, at.bus.listening], ['unpins', false])
  assert.equal(looked, 5, 'what waited in memory is acknowledged: it waits in Postgres')
  const pinned = at.placements.countIn('pinned')
  await at.clock.pass(60_000)
  assert.equal(at.placements.countIn('pinned'), pinned, 'nothing new is pinned')
  assert.equal(at.placements.row('long').state, 'pinning', 'the long attempt continues')
  at.placements.unwant('q0')
  await at.clock.until(() => !at.placements.rows.has('q0'), 5_000)
  await at.clock.until(() => at.isPinned('long'), 300_000)
})

test('after an uncordon the node pins and consumes hints again, without a restart', async () => {
  await using at = await atWork()
  at.wanted.state = 'drained'
  await at.clock.pass(500)
  assert.equal(at.bus.listening, false)
  at.placements.want('c1', orgA)
  await at.clock.pass(30_000)
  assert.equal(at.placements.row('c1').state, 'queued')
  at.wanted.state = 'active'
  await at.clock.until(() => at.isPinned('c1'), 1_000)
  assert.equal(at.bus.listening, true)
  await at.ask('c2')
  await at.clock.until(() => at.isPinned('c2'), 100)
})

test('the last copy of what pins want is kept; what Kubo does not have is unpinned as usual', async () => {
  await using at = await atWork()
  for (const cid of ['c1', 'c2', 'c3']) await at.ask(cid)
  await at.clock.until(() => ['c1', 'c2', 'c3'].every(at.isPinned), 1_000)
  for (const cid of ['c1', 'c2']) at.placements.last.add(cid)
  at.kubo.pinsNow.delete('c2')
  for (const cid of ['c1', 'c2', 'c3']) await at.bus.hint(at.placements.unwant(cid))
  await at.clock.until(() => at.placements.rows.size === 1 && at.isPinned('c1'), 10_000)
  assert.equal(at.kubo.pinsNow.get('c1'), 'ours')
  assert.partialDeepStrictEqual(at.worker.stats(), { kept: 1, unpinned: 2 })
})

test('a draining node keeps the last copy too, although it takes no pins', async () => {
  await using at = await atWork()
  for (const cid of ['c1', 'c2']) await at.ask(cid)
  await at.clock.until(() => at.isPinned('c1') && at.isPinned('c2'), 1_000)
  at.wanted.state = 'drained'
  at.placements.last.add('c1')
  await at.clock.pass(1_000)
  for (const cid of ['c1', 'c2']) at.placements.unwant(cid)
  await at.clock.until(() => !at.placements.rows.has('c2') && at.isPinned('c1'), 10_000)
  assert.partialDeepStrictEqual(at.worker.stats(), { kept: 1, taking: 'unpins' })
})

test('nothing is unpinned when the database goes back just before it tells which copies are the last', async () => {
  await using at = await atWork()
  await at.ask('c1')
  await at.clock.until(() => at.isPinned('c1'), 1_000)
  at.placements.lastCopies = async () => {
    at.past.restored = true
    return []
  }
  await at.bus.hint(at.placements.unwant('c1'))
  await at.clock.pass(10_000)
  assert.ok(at.kubo.pinsNow.has('c1'))
  assert.partialDeepStrictEqual(at.worker.stats(), { released: 1, unpinned: 0 })
})

test('on a restored database nothing is unpinned, not even what was claimed before it was noticed, and pins go on', async () => {
  await using at = await atWork()
  await at.ask('c1')
  await at.clock.until(() => at.isPinned('c1'), 1_000)
  at.past.restored = true
  at.placements.unwant('c1')
  await at.clock.pass(60_000)
  assert.ok(at.kubo.pinsNow.has('c1'), 'the pin is still there')
  assert.equal(at.placements.row('c1').state, 'unpinning')
  assert.equal(at.worker.stats().taking, 'pins')
  assert.equal(at.worker.stats().released, 1, 'only the claim that noticed it was handed back')
  await at.ask('c2')
  await at.clock.until(() => at.isPinned('c2'), 1_000)
  at.past.restored = at.past.noticed = false
  await at.clock.until(() => !at.placements.rows.has('c1'), 30_000)
  assert.ok(!at.kubo.pinsNow.has('c1'))
})

test('a draining node on a restored database starts nothing', async () => {
  await using at = await atWork()
  at.wanted.state = 'drained'
  at.past.restored = at.past.noticed = true
  await at.clock.pass(500)
  assert.equal(at.worker.stats().taking, 'nothing')
})

test('from the moment of a hold nothing starts, and work under way finishes', async () => {
  await using at = await atWork()
  at.kubo.fates.set('under way', { blocks: 20, everyMs: 100 })
  void at.ask('under way')
  await at.clock.pass(100)
  const hold = at.intake.hold()
  void at.ask('c1')
  at.placements.unwant('under way')
  await at.clock.pass(3_000)
  assert.equal(at.worker.underWay(), 0)
  assert.equal(at.placements.row('c1').state, 'queued')
  hold[Symbol.dispose]()
  await at.clock.until(() => at.isPinned('c1'), 500)
})

test('a DAG that outgrows the room fails with node_full, and small ones beside it may finish', async () => {
  await using at = await atWork()
  at.kubo.fates.set('large', { blocks: 10_000, everyMs: 10, blockBytes: 1_000_000 })
  at.kubo.fates.set('small', { blocks: 60, everyMs: 1_000, blockBytes: 10 })
  at.disk.used = 900e6
  void at.ask('small')
  void at.ask('large')
  await at.clock.until(() => at.placements.row('large').state === 'failed', 5_000)
  assert.equal(at.placements.row('large').errorCode, 'node_full')
  assert.ok(at.disk.used < 1.2e9, 'soon')
  await at.clock.until(() => at.isPinned('small'), 70_000)
})

test('content that is in Kubo already is pinned on a full node', async () => {
  await using at = await atWork()
  at.kubo.fates.set('here', { blocks: 100, everyMs: 50, blockBytes: 1_000_000 })
  at.kubo.onBytes = () => {}
  at.disk.used = 2e9
  at.placements.want('here', orgA)
  at.placements.row('here').verify = true
  await at.clock.until(() => at.isPinned('here'), 10_000)
})

test('on a full node fresh content waits for garbage to be collected, and moves to another node when that does not help', async () => {
  await using at = await atWork()
  at.disk.used = 2e9
  void at.ask('c1')
  void at.ask('c2')
  await at.clock.pass(100)
  assert.deepEqual(
    [at.placements.row('c1').state, at.placements.row('c1').errorCode],
    ['queued', 'node_full'],
  )
  assert.equal(at.kubo.writes, 0)
  at.disk.used = 0
  await at.clock.until(() => at.isPinned('c1') && at.isPinned('c2'), 10_000)
  at.disk.used = 2e9
  void at.ask('c3')
  await at.clock.until(() => at.placements.row('c3').state === 'failed', 60_000)
  assert.equal(at.placements.row('c3').errorCode, 'node_full')
})

test('content waits on a full node when no other node can take it', async () => {
  await using at = await atWork()
  Object.assign(at.disk, { used: 2e9, elsewhere: false })
  void at.ask('c1')
  await at.clock.pass(300_000)
  assert.deepEqual(
    [at.placements.row('c1').state, at.placements.row('c1').errorCode],
    ['queued', 'node_full'],
  )
  at.disk.used = 0
  await at.clock.until(() => at.isPinned('c1'), 100_000)
})

test('when Kubo is out of space, the placement fails with node_full', async () => {
  await using at = await atWork()
  at.kubo.fates.set('c1', { fail: new IpfsError('node_full', 'the disk of this node is full') })
  void at.ask('c1')
  await at.clock.until(() => at.placements.row('c1').state === 'failed', 60_000)
  assert.equal(at.placements.row('c1').errorCode, 'node_full')
})

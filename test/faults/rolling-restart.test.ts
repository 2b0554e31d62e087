// A world of its own: every node restarts under load.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { shuffled } from './chance.ts'
import { freshBlocks, type Block } from '../../testing/content.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger } from '../../testing/world/ledger.ts'
import { Load } from '../../testing/world/load.ts'
import type { Api } from '../../testing/clients/api.ts'
import { until } from '../../testing/settle.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'
import { World } from '../../testing/world/world.ts'

suite('rolling restart', () => {
  let world: World
  let outside: OutsideKubo
  let todo: Block[]
  const ledger = new Ledger()

  before(async () => {
    outside = await startOutsideKubo()
    todo = await freshBlocks(6_000)
    await outside.rpc.put(todo)
    const env = { ANCHORAGE_PIN_BACKOFF_MIN: '500ms', ANCHORAGE_HTTP_STOP_DELAY: '5s' }
    world = await World.start({ nodes: 3, restartAfter: 1, env })
    await world.well()
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  test('three nodes restart under POST load: a client that retries on another node after a 503 sees no failure', async () => {
    const apis = await Promise.all(world.nodes.map((n) => world.api(n)))
    const next = () => ({
      cid: todo.pop()?.cid ?? assert.fail('no content left'),
      origins: [outside.address],
    })
    const load = new Load({ perSecond: 40, through: () => apis, next, ledger, detours: true })
    try {
      for (const n of shuffled(world.nodes)) {
        await delay(2_000)
        await world.restarted('node', await world.signal('node', 'SIGTERM', n), n)
        await world.well()
      }
    } finally {
      await load.stop()
    }
    const { accepted, failures } = load.report
    assert.deepEqual(failures, [])
    assert.ok(accepted > 200)
    await checkInvariants(world, ledger)
  })

  test('behind a balancer that asks every node once a second whether it is ready, no request is refused', async () => {
    const apis = new Map<number, Api>()
    for (const n of world.nodes) apis.set(n, await world.api(n))
    const balancer = new Balancer(apis)
    await until('the balancer knows every node', () => balancer.ready().length === apis.size)
    const next = () => ({
      cid: todo.pop()?.cid ?? assert.fail('no content left'),
      origins: [outside.address],
    })
    const load = new Load({ perSecond: 20, through: () => balancer.ready(), next, ledger })
    try {
      for (const n of shuffled(world.nodes)) {
        await world.restarted('node', await world.signal('node', 'SIGTERM', n), n)
        await world.well()
        await until('the balancer has the node back', () => balancer.ready().length === apis.size)
      }
    } finally {
      await load.stop()
      await balancer.stop()
    }
    const { accepted, failures } = load.report
    process.stderr.write(`${failures.length} of ${accepted + failures.length} requests were refused\n`)
    assert.deepEqual(failures, [])
    assert.ok(accepted > 200)
    await checkInvariants(world, ledger)
  })
})

const probeMs = 1_000

/** Knows which nodes are ready, as a load balancer does: from an answer of each that is up to a second old. */
class Balancer {
  #ready: Api[] = []
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  constructor(apis: ReadonlyMap<number, Api>) {
    this.#running = this.#run(apis)
  }

  ready(): readonly Api[] {
    return this.#ready
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(apis: ReadonlyMap<number, Api>): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const probes = [...apis.values()].map(async (api) => ((await isReady(api)) ? [api] : []))
      this.#ready = (await Promise.all(probes)).flat()
      await delay(probeMs, undefined, { signal: this.#stop.signal }).catch(() => undefined)
    }
  }
}

async function isReady(api: Api): Promise<boolean> {
  try {
    return (await api.send('GET', '/ready')).status === 200
  } catch {
    return false
  }
}

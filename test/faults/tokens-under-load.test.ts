// A world of its own: every nats-server is killed and stays down.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { mintId } from '../../src/core/ids.ts'
import { mintingFor, type Minting } from '../minting.ts'
import { TokenLoad, type Bearer } from '../token-load.ts'
import { World } from '../../testing/world/world.ts'

/** The documented bound: every node knows of a revocation within this time, whether a message reached it or not. */
const boundMs = 2_000

/** The rate limits are off, so that every refusal is due to the token. */
const unlimited = {
  ANCHORAGE_RATE_LIMITS_ANONYMOUS_PER_ADDRESS: '1000000',
  ANCHORAGE_RATE_LIMITS_ANONYMOUS: '1000000',
}

suite('tokens under 500 requests a second', () => {
  let world: World
  let load: TokenLoad
  let minting: Minting

  before(async () => {
    world = await World.start({ nodes: 3, restartAfter: 0, env: unlimited })
    await world.well()
    minting = await mintingFor(world)
    const env = await world.env()
    const urls = world.nodes.map((n) => String(env[`NODE_URL_${n}`]))
    load = new TokenLoad({ perSecond: 500, urls })
  })

  after(async () => {
    await load.stop()
    await minting[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  async function mint(): Promise<Bearer> {
    const orgId = await minting.store.tokens.orgBySlug('dev')
    return await minting.minter.mint({
      orgId,
      name: null,
      scopes: ['pins:read'],
      ttlMs: 3_600_000,
      createdBy: null,
    })
  }

  /** Sends tokens with invented keys, so that every node has just looked for new keys. */
  async function inventKeys(signal: AbortSignal): Promise<number[]> {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const statuses: number[] = []
    while (!signal.aborted) {
      const head = part({ alg: 'HS256', typ: 'anchorage-token+jwt', kid: mintId('key') })
      const invented = { id: 'invented', token: `${head}.${part({})}.${part({})}` }
      statuses.push(...(await Promise.all(load.urls.map((url) => load.ask(url, invented)))))
    }
    return statuses
  }

  test('no rotation of the key makes a request fail, and tokens of the new key work everywhere at once', async () => {
    for (let n = 0; n < 6; n++) load.add(await mint())
    load.start()
    using stop = stopper()
    const inventing = inventKeys(stop.signal)
    await sleep(1_000)
    for (let n = 0; n < 6; n++) {
      await minting.minter.rotateKey()
      const fresh = await mint()
      const statuses = await Promise.all(load.urls.map((url) => load.ask(url, fresh)))
      assert.deepEqual(
        statuses,
        load.urls.map(() => 200),
        'a token of a key that was made just now',
      )
      load.add(fresh)
      await sleep(300)
    }
    await world.anchorage('admin', 'rotate-key')
    await sleep(500)
    stop[Symbol.dispose]()
    const answers = await inventing
    assert.ok(
      answers.length > 30 && answers.every((status) => status === 401),
      `${new Set(answers).size} answers`,
    )
    const seen = await load.stop()
    assert.ok(seen.length > 1_500, `only ${seen.length} requests`)
    assert.deepEqual(
      seen.filter(({ status }) => status !== 200),
      [],
    )
  })

  /** Revokes tokens under load: each is refused in time, none too early, and no other token is refused. */
  async function revokeUnderLoad(victims: Bearer[]): Promise<void> {
    const revoked = new Map<string, { fromMs: number; byMs: number }>()
    load.start()
    await sleep(1_000)
    for (const { id } of victims) {
      const fromMs = performance.now()
      await world.anchorage('admin', 'revoke-token', id)
      revoked.set(id, { fromMs, byMs: performance.now() })
    }
    await sleep(boundMs + 1_000)
    const seen = await load.stop()
    for (const { id, status, sentMs, answeredMs } of seen) {
      const when = revoked.get(id)
      if (status === 401) assert.ok(when !== undefined && answeredMs > when.fromMs, `${id}: a spurious 401`)
      else assert.equal(status, 200)
      if (when !== undefined && sentMs > when.byMs + boundMs)
        assert.equal(status, 401, `${id}: accepted ${Math.round(sentMs - when.byMs)} ms after it was revoked`)
    }
    for (const { id } of victims) {
      const byMs = revoked.get(id)?.byMs ?? Infinity
      assert.ok(
        seen.some((one) => one.id === id && one.sentMs > byMs + boundMs),
        `${id} was asked with after the bound`,
      )
      assert.ok(
        seen.some((one) => one.id === id && one.status === 200),
        `${id} was good before`,
      )
    }
  }

  test('every node knows of a revocation in time, and no other token is refused', async () => {
    const victims = [await mint(), await mint(), await mint()]
    victims.forEach((victim) => load.add(victim))
    await revokeUnderLoad(victims)
    victims.forEach((victim) => load.drop(victim))
  })

  test('the same holds when no message reaches any node', async () => {
    const victims = [await mint(), await mint()]
    victims.forEach((victim) => load.add(victim))
    for (const n of world.nodes) await world.kill('nats', n)
    await revokeUnderLoad(victims)
  })
})

/** A signal that is aborted however the test ends. */
function stopper(): Disposable & { signal: AbortSignal } {
  const controller = new AbortController()
  return { signal: controller.signal, [Symbol.dispose]: () => controller.abort() }
}

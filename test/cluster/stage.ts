import { strict as assert } from 'node:assert'
import type { Api, WireStatus } from '../../testing/clients/api.ts'
import { freshBlocks, type Block } from '../../testing/content.ts'
import { Ledger, placements, type PlacementRow } from '../../testing/world/ledger.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { World } from '../../testing/world/world.ts'

const env = {
  ANCHORAGE_PIN_UNPIN_GRACE: '1s',
  ANCHORAGE_PIN_BACKOFF_MIN: '500ms',
  ANCHORAGE_CLUSTER_DRAIN_GRACE_PERIOD: '1s',
  ANCHORAGE_REBALANCE_MOVES_IN_FLIGHT: '16',
  // All logins of these tests come from one address.
  ANCHORAGE_RATE_LIMITS_SIGN_IN_PER_ADDRESS: '1000',
}

/** The world of the cluster's stories, with an outside Kubo that has all content they ask for. */
export class ClusterStage {
  /** The pins that stories made in dev's org. */
  readonly ledger = new Ledger()
  #world: World | undefined
  #outside: OutsideKubo | undefined

  async start(): Promise<void> {
    this.#outside = await startOutsideKubo()
    this.#world = await World.start({ nodes: 1, env })
  }

  async stop(): Promise<void> {
    await this.#outside?.[Symbol.asyncDispose]()
    await this.#world?.[Symbol.asyncDispose]()
  }

  get world(): World {
    return this.#world ?? assert.fail('the world has not started')
  }

  get outside(): OutsideKubo {
    return this.#outside ?? assert.fail('the Kubo outside has not started')
  }

  /** Fresh content that the outside Kubo has. */
  async offered(count: number, size?: number): Promise<Block[]> {
    const blocks = await freshBlocks(count, size)
    await this.outside.rpc.put(blocks)
    return blocks
  }

  /** The CID of one such block. */
  async offeredCid(): Promise<string> {
    const [block] = await this.offered(1)
    return block?.cid ?? assert.fail('no block')
  }

  /** Pins fresh content in dev's org, through `nodes` in turn, and records each pin. */
  async post(count: number, nodes: readonly number[], size?: number): Promise<void> {
    const apis = await Promise.all(nodes.map((n) => this.world.api(n)))
    await eachInFlight(await this.offered(count, size), 8, async ({ cid }, index) => {
      const api = apis[index % apis.length] ?? assert.fail('no node to post through')
      await this.ledger.post(api, { cid, origins: [this.outside.address] })
    })
  }

  /** Resolves with the pin once it is pinned. */
  pinned(api: Api, requestid: string): Promise<WireStatus> {
    return until(`${requestid} is pinned\n${this.world.progress()}`, async () => {
      const pin = await api.get(requestid)
      return pin.status === 'pinned' && pin
    })
  }

  /** The numbers of the nodes whose Kubos pin a content. */
  async holders(cid: string): Promise<number[]> {
    const held = await Promise.all(
      this.world.nodes.map(async (n) => (await (await this.world.kubo(n)).pins()).has(cid) && n),
    )
    return held.filter((n) => n !== false)
  }

  /** Resolves once exactly this many Kubos pin a content. */
  heldBy(cid: string, count: number): Promise<boolean> {
    return until(`${count} nodes hold ${cid}`, async () => (await this.holders(cid)).length === count)
  }

  async placementsOn(n: number): Promise<PlacementRow[]> {
    return (await placements(this.world)).filter((placement) => placement.n === n)
  }
}

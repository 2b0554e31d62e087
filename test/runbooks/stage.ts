import { strict as assert } from 'node:assert'
import { test } from 'node:test'
import { apiOf } from '../../testing/clients/api.ts'
import { freshBlocks, type Block as Content } from '../../testing/content.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger, placements, type PlacementRow } from '../../testing/world/ledger.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'
import { patience } from '../../testing/patience.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { World } from '../../testing/world/world.ts'
import { Machines } from './machines.ts'
import type { ClusterPage } from '../../testing/runbook-pages.ts'
import { walk, type Next } from './walk.ts'

const env = {
  ANCHORAGE_CLUSTER_DOWN_GRACE: '5s',
  ANCHORAGE_CLUSTER_DRAIN_GRACE_PERIOD: '1s',
  ANCHORAGE_PIN_UNPIN_GRACE: '1s',
  ANCHORAGE_PIN_BACKOFF_MIN: '500ms',
}

/** Two copies of each content, so that one node can be missing. */
const meta = { 'anchorage.replicas': '2' }

/** The nodes, the org and the pins that the cluster's pages run on. A page leaves every node in service, and every pin pinned. */
export class Stage {
  readonly ledger = new Ledger()
  #world: World | undefined
  #outside: OutsideKubo | undefined
  #machines: Machines | undefined
  #todo: Content[] = []

  async start(): Promise<void> {
    this.#outside = await startOutsideKubo()
    this.#todo = await freshBlocks(200)
    await this.#outside.rpc.put(this.#todo)
    this.#world = await World.start({ nodes: 3, restartAfter: 0, env })
    this.#machines = await Machines.of(this.#world, this.#outside.kubo.dir)
    await this.pinSome(60)
  }

  async stop(): Promise<void> {
    await this.#outside?.[Symbol.asyncDispose]()
    await this.#world?.[Symbol.asyncDispose]()
  }

  get world(): World {
    return this.#world ?? assert.fail('the world has not started')
  }

  get machines(): Machines {
    return this.#machines ?? assert.fail('the machines have not started')
  }

  /** The address at which the outside Kubo is dialled as an origin. */
  get origin(): string {
    return this.#outside?.address ?? assert.fail('the Kubo outside has not started')
  }

  /** Content that is not pinned yet, and that the outside Kubo has. */
  offered(): Content {
    return this.#todo.pop() ?? assert.fail('the content ran out')
  }

  async pinSome(count: number): Promise<void> {
    const api = await this.world.api()
    const pins = Array.from({ length: count }, () => ({
      cid: this.offered().cid,
      origins: [this.origin],
      meta,
    }))
    await eachInFlight(pins, 8, (pin) => this.ledger.post(api, pin))
    await this.allStands()
  }

  allStands(...without: number[]): Promise<void> {
    return checkInvariants(this.world, this.ledger, { without })
  }

  async onNode(n: number): Promise<PlacementRow[]> {
    return (await placements(this.world)).filter((placement) => placement.n === n)
  }

  /** The status of the API's answer for a token. */
  async answerTo(token: string): Promise<number> {
    return (await apiOf((await this.world.api()).url, token).send('GET', '/pins')).status
  }

  /** Resolves with the result of `look` for node `n` in the list of `admin nodes`. */
  async sees<T>(what: string, n: number, look: (node: ListedNode) => T | false | undefined): Promise<T> {
    return await until(
      what,
      async () => {
        const { results } = await this.world.admin<{ results: ListedNode[] }>('nodes')
        const node = results.find(({ name }) => name === `dev-${n}`)
        return node && look(node)
      },
      { withinMs: patience.longMs, everyMs: 500 },
    )
  }

  /** Runs the commands of a page as a test with its name. */
  runbook(page: ClusterPage, steps: (next: Next) => Promise<void>): void {
    test(page, async () => {
      try {
        await walk(page, (block, standIns) => this.machines.type(block, standIns), steps)
      } catch (cause) {
        throw new Error(`${String(cause)}\n${await this.world.lastWords()}`, { cause })
      }
    })
  }
}

/** The fields of a node in `admin nodes --json` that the stories use. */
interface ListedNode {
  name: string
  live: boolean
  capacityBytes: number | null
}

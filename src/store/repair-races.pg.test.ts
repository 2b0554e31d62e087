import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import pg from 'pg'
import { assertAgreement } from '../../testing/database/agreement.ts'
import { Random } from '../../testing/random.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { testStore } from '../../testing/database/test-store.ts'
import { epochOf, type Epoch } from '../core/epoch.ts'
import { isCode } from '../core/errors.ts'
import { mintId, type NodeId, type OrgId, type PinId } from '../core/ids.ts'
import type { Node, NodeIdentity } from '../core/node.ts'
import { leaveAsSeen, planRepair } from '../core/plan-repair.ts'
import type { ContentCopies } from '../core/repair.ts'
import type { Store } from './store.ts'

const actor = mintId('tok')
const policy = { downGraceMs: 1_000, highWater: 0.9, minCopies: 1 }
const { database, store } = await testStore()
let orgs: OrgId[]
let nodes: NodeIdentity[]

before(async () => {
  orgs = [
    (await store.orgDirectory.createOrg('one', {}, 'operator')).id,
    (await store.orgDirectory.createOrg('two', {}, 'operator')).id,
  ]
  nodes = await Promise.all(['n1', 'n2', 'n3', 'n4'].map((name) => store.nodes.boot(name)))
})

test('repairs, moves and drains that race with accepts, deletes and work, while nodes go and leaders change, leave every content with its wanted copies', async () => {
  const world = new World(11)
  const users = Promise.all([...orgs, ...orgs].map((org) => world.user(org)))
  const others = Promise.all([
    ...nodes.map((node) => world.worker(node)),
    world.leader(),
    world.rebalancer(),
    world.operator(),
    world.watcher(),
  ])
  await users
  world.busy = false
  await others
  world.dead.clear()
  for (const node of nodes) await store.operator.uncordon(node.nodeId, 'op')
  await world.settle()
  await assertAgreement(database.systemUrl)
  await assertEveryCopyStands()
  assert.ok(world.did.added > 0 && world.did.dropped > 0 && world.did.started > 0, JSON.stringify(world.did))
  assert.ok(world.did.refused > 0, 'no older leader was refused')
})

class World {
  busy = true
  readonly dead = new Set<NodeId>()
  readonly did = { added: 0, dropped: 0, stale: 0, started: 0, refused: 0 }
  #epoch = epochOf('0')
  readonly #random: () => number

  constructor(seed: number) {
    const dice = new Random(seed)
    this.#random = () => dice.next()
  }

  async user(org: OrgId): Promise<void> {
    const own = new Set<PinId>()
    // on a busy machine the other actors need longer to do some of everything
    for (let i = 0; i < 30 || (i < 2_000 && !this.#all()); i++) {
      const act = this.#random()
      const old = [...own][Math.floor(this.#random() * own.size)]
      if (act < 0.5 || old === undefined) {
        const batch = Array.from({ length: 1 + Math.floor(this.#random() * 4) }, () => this.#newPin())
        for (const outcome of await store.pins.acceptPins(org, batch, false)) {
          if ('error' in outcome) throw outcome.error
          own.add(outcome.pin.id)
        }
      } else {
        own.delete(old)
        const gone =
          act < 0.7
            ? store.pins.replacePin(org, old, this.#newPin(), false)
            : store.pins.removePin(org, old, actor)
        const made = await gone.catch((error: unknown) =>
          isCode(error, 'not_found') ? null : Promise.reject(error),
        )
        if (made && 'pin' in made) own.add(made.pin.id)
      }
    }
  }

  /** Whether each of the actions that are to race has happened. */
  #all(): boolean {
    const { added, dropped, started, refused } = this.did
    return [added, dropped, started, refused].every((n) => n > 0)
  }

  async worker(node: NodeIdentity): Promise<void> {
    while (this.busy) {
      if (this.dead.has(node.nodeId)) await this.#pause()
      else await this.#work(node, this.#random() < 0.2)
    }
  }

  /** Repairs. Now and then another leader is elected, and the older one tries to write once more. */
  async leader(): Promise<void> {
    while (this.busy) {
      const old = this.#epoch
      this.#epoch = await nextEpoch(store)
      for (let turn = 0; turn < 5 && this.busy; turn++) await this.repairOnce()
      await store.repair.apply(old, []).catch((error: unknown) => {
        assert.ok(isCode(error, 'not_leading'))
        this.did.refused++
      })
    }
  }

  /** Returns how many walks, contents and released rows it handled. */
  async repairOnce(): Promise<number> {
    const epoch = this.#epoch
    const seen = await this.#nodes()
    const down = await store.repair.downNodes()
    for (const node of seen)
      if (down.includes(node.id) === node.live) await store.repair.noteDown(epoch, node.id, !node.live)
    let did = 0
    for (const { nodeId } of await store.repair.walks()) {
      did++
      await this.#apply(epoch, await store.repair.onNode(nodeId, '', 1_000), seen)
      await store.repair.advanceWalk(epoch, nodeId, null)
    }
    did += await this.#apply(epoch, await store.repair.unsettled('', 1_000), seen)
    await store.sweep.releaseHolds(epoch, 50)
    did += (await store.sweep.releaseDue(epoch, 50)).rows
    await store.sweep.finishFolds(epoch, 50)
    await store.sweep.requeueExpiredClaims(epoch, 50)
    await store.repair.noteDrained(epoch)
    return did
  }

  async rebalancer(): Promise<void> {
    while (this.busy) {
      const from = this.#pick(nodes)
      const to = this.#pick(nodes)
      const moves = (await store.plans.movable(from.nodeId, '', 5)).map(({ cid, bytes }) => ({
        cid,
        from: from.nodeId,
        to: to.nodeId,
        bytes,
        reason: 'because',
      }))
      const { id, state } = await store.plans.savePlan(
        { id: mintId('pln'), actor: 'op', summary: {} },
        (async function* pages() {
          yield moves
        })(),
      )
      if (state === 'applied') {
        assert.deepEqual(moves, [], 'a plan without moves has nothing left to do')
        await this.#pause()
        continue
      }
      await store.plans.setPlanState(id, 'applying', 'op')
      await this.#begin(id).catch((error: unknown) =>
        assert.ok(isCode(error, 'conflict', 'not_leading'), String(error)),
      )
      await this.#pause()
    }
  }

  async operator(): Promise<void> {
    while (this.busy) {
      const node = this.#pick(nodes)
      if (this.#random() < 0.5) {
        await store.operator.drain(node.nodeId, 'op')
        await this.#pause()
        await store.operator.uncordon(node.nodeId, 'op')
      } else {
        this.dead.add(node.nodeId)
        await this.#pause()
        this.dead.delete(node.nodeId)
      }
      await this.#pause()
    }
  }

  /** At no time does a pin show `pinned` while no copy of its content is pinned. */
  async watcher(): Promise<void> {
    const client = new pg.Client({ connectionString: database.systemUrl })
    await client.connect()
    try {
      while (this.busy) {
        const { rows } = await client.query(
          `select cid from pins p where status = 'pinned' and not exists (
             select from placements q where q.cid = p.cid and q.state = 'pinned' and not q.lost)`,
        )
        assert.deepEqual(rows, [])
      }
    } finally {
      await client.end()
    }
  }

  /** Goes on until neither the leader nor a node has anything left to do. */
  async settle(): Promise<void> {
    for (let quietRounds = 0; quietRounds < 3;) {
      let did = await this.repairOnce()
      for (const node of nodes) did += await this.#work(node, false)
      quietRounds = did === 0 ? quietRounds + 1 : 0
    }
  }

  async #begin(id: Parameters<Store['plans']['startMoves']>[1]): Promise<void> {
    this.did.started += (await store.plans.startMoves(this.#epoch, id, 10, 1_000)).started
    await store.plans.settleMoves(this.#epoch, id)
  }

  async #apply(epoch: Epoch, contents: ContentCopies[], seen: Node[]): Promise<number> {
    const repairs = contents.map((content) => planRepair(content, seen, policy) ?? leaveAsSeen(content))
    const done = await store.repair.apply(epoch, repairs)
    this.did.added += done.added
    this.did.dropped += done.dropped
    this.did.stale += done.stale
    return contents.length
  }

  /** Returns how many claims there were. */
  async #work(node: NodeIdentity, troubled: boolean): Promise<number> {
    const claims = await store.placements.claim(node, await store.placements.due(node, 8, 16), 30_000)
    const full = { kind: 'failed', errorCode: 'node_full', error: 'no room' } as const
    const slow = { kind: 'retry', errorCode: 'stalled', error: 'stalled', delayMs: 1 } as const
    await store.placements.finish(
      node,
      claims.map(({ cid, generation, work }) => ({
        cid,
        generation,
        outcome:
          work === 'unpin'
            ? { kind: 'unpinned' }
            : troubled
              ? this.#pick([full, slow])
              : { kind: 'pinned', blocks: 1, bytes: 10, foreignPin: false },
      })),
    )
    return claims.length
  }

  async #nodes(): Promise<Node[]> {
    return (await store.nodes.list()).map((node) =>
      this.dead.has(node.id) ? { ...node, live: false, silentMs: 10_000 } : { ...node, live: true },
    )
  }

  #newPin() {
    const cid = `content-${Math.floor(this.#random() * 12)}`
    return {
      id: mintId('pin'),
      cid,
      cidText: cid,
      replicas: 1 + Math.floor(this.#random() * 3),
      actor,
      nodes: nodes
        .map((node) => ({ node, rank: this.#random() }))
        .sort((x, y) => x.rank - y.rank)
        .map(({ node }) => node.nodeId)
        .slice(0, 1 + Math.floor(this.#random() * 4)),
    }
  }

  #pick<T>(list: T[]): T {
    const one = list[Math.floor(this.#random() * list.length)]
    assert.ok(one !== undefined)
    return one
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function assertEveryCopyStands(): Promise<void> {
  const client = new pg.Client({ connectionString: database.systemUrl })
  await client.connect()
  try {
    const { rows } = await client.query(
      `select c.cid, c.wanted, c.unsettled, array_agg(p.state || case when p.lost then ' lost' else '' end
         || case when p.leaving then ' leaving' else '' end) as copies
       from contents c left join placements p using (cid) group by c.cid
       having c.unsettled or count(*) filter (where p.state = 'pinned' and not p.lost and not p.leaving) <> c.wanted
         or count(*) <> c.wanted`,
    )
    assert.deepEqual(rows, [])
  } finally {
    await client.end()
  }
}

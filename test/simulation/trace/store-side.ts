import { strict as assert } from 'node:assert'
import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import { numberOf } from '../../../src/core/epoch.ts'
import { isCode } from '../../../src/core/errors.ts'
import {
  idOf,
  idOrNull,
  mintId,
  uuidOf,
  type NodeId,
  type OrgId,
  type PinId,
  type PlanId,
} from '../../../src/core/ids.ts'
import type { NodeIdentity } from '../../../src/core/node.ts'
import type { NewPin as StorePin } from '../../../src/core/pin.ts'
import type { ContentCopies, Repair } from '../../../src/core/repair.ts'
import type { Store } from '../../../src/store/store.ts'
import type { NewPin } from '../pin-database.ts'
import { comparable, holdersInOrder } from './model-side.ts'
import type { PlacementRow, Rows } from './rows.ts'
import { times, type LeaderStep, type Side, type Step } from './step.ts'

const actor = mintId('tok')
const noOrg = '00000000-0000-0000-0000-000000000000'
/** More than there are of anything in a trace. */
const all = 10_000

/** The real store on Postgres. */
export class StoreSide implements Side {
  readonly #store: Store
  readonly #system: pg.Client
  readonly #orgs = new Map<string, OrgId>()
  readonly #orgNames = new Map<string, string>()
  /** The generation of the store for each one of the model. */
  readonly #generations = new Map<number, number>()
  readonly #modelGenerations = new Map<number, number>()
  #planId: PlanId | null = null
  #passedAtMs = performance.now()

  constructor(store: Store, system: pg.Client) {
    this.#store = store
    this.#system = system
  }

  /** Empties the database, and makes orgs of these names. */
  async begin(orgs: readonly string[]): Promise<void> {
    for (const table of [
      'plans',
      'plan_moves',
      'pins',
      'pin_counts',
      'org_usage',
      'placements',
      'contents',
      'nodes',
    ])
      await this.#system.query(`delete from ${table}`)
    await this.#system.query('update cluster set epoch = 0, term = null')
    for (const name of orgs) {
      const slug = `${name}-${randomBytes(8).toString('hex')}`
      const { id } = await this.#store.orgDirectory.createOrg(slug, {}, 'operator')
      this.#orgs.set(name, id)
      this.#orgNames.set(uuidOf(id), name)
    }
  }

  async run(step: Step): Promise<unknown> {
    const answer = await this.#run(step).catch((error: unknown) => {
      if (isCode(error, 'not_found', 'conflict', 'not_leading', 'maintenance')) return { error: error.code }
      throw error
    })
    await this.#finishFolds()
    return answer
  }

  /** Notes which generation of the store is which of the model. Returns how the two contradict each other. */
  matchGenerations(model: readonly PlacementRow[], store: readonly PlacementRow[]): string[] {
    const theirs = new Map(store.map((p) => [`${p.cid} ${p.nodeId}`, p]))
    return model.flatMap((p) => {
      const q = theirs.get(`${p.cid} ${p.nodeId}`)
      if (q === undefined) return []
      const pairs: [number, number][] = [[p.generation, q.generation]]
      if (p.claim !== null && q.claim !== null) pairs.push([p.claim.generation, q.claim.generation])
      return pairs.flatMap(([ours, other]) => this.#match(`${p.cid} on ${p.nodeId}`, ours, other))
    })
  }

  #match(what: string, model: number, store: number): string[] {
    const [known, back] = [this.#generations.get(model) ?? store, this.#modelGenerations.get(store) ?? model]
    this.#generations.set(model, store)
    this.#modelGenerations.set(store, model)
    if (known === store && back === model) return []
    return [`${what}: generation ${model} of the model was ${known} and is ${store}; ${store} was ${back}`]
  }

  async #run(step: Step): Promise<unknown> {
    const { pins, placements, nodes, reconcile, operator } = this.#store
    switch (step.do) {
      case 'accept':
        return this.#accept(step.pins)
      case 'replace':
        await pins.replacePin(this.#org(step.pin.orgId), pinId(step.old), toStorePin(step.pin), true)
        return undefined
      case 'remove':
        await pins.removePin(this.#org(step.orgId), pinId(step.id), actor)
        return undefined
      case 'boot':
        return (await nodes.boot(step.nodeId)).incarnation
      case 'see':
        return nodes.see(identity(step), { usedBytes: null, capacityBytes: null, unable: step.unable })
      case 'voidClaims':
        while ((await nodes.voidClaims(identity(step), all)) > 0);
        return undefined
      case 'claim': {
        const claims = await placements.claim(identity(step), step.jobs.map(this.#job), times.claimMs)
        return claims.map(({ cid }) => cid)
      }
      case 'extend': {
        const under = step.under.map((job) => ({ ...this.#job(job), blocks: 1, bytes: 1 }))
        return (await placements.extend(identity(step), under, times.claimMs)).toSorted()
      }
      case 'finish': {
        const finishes = step.finishes.map((finish) => ({ ...finish, ...this.#job(finish) }))
        const woken = await placements.finish(identity(step), finishes)
        return woken.map(({ cid, attempt }) => `${cid} ${attempt}`).toSorted()
      }
      case 'requeueMissing':
        await reconcile.requeueMissing({ nodeId: step.nodeId, incarnation: 0 }, step.cids)
        return undefined
      case 'dropUnwanted':
        await reconcile.dropUnwanted({ nodeId: step.nodeId, incarnation: 0 }, step.cids)
        return undefined
      case 'join':
        await this.#system.query('insert into nodes (id, name, incarnation) values ($1, $2, 0)', [
          uuidOf(step.nodeId),
          step.nodeId,
        ])
        return undefined
      case 'drain':
        return operator.drain(step.nodeId, 'op')
      case 'uncordon':
        return operator.uncordon(step.nodeId, 'op')
      case 'forget':
        await this.#system.query(`update nodes set last_seen = now() - interval '1 hour' where id = $1`, [
          uuidOf(step.nodeId),
        ])
        return operator.forget(step.nodeId, 'op', {
          acceptLoss: step.acceptLoss,
          counted: { placements: 0 },
          onRemoved: () => {},
        })
      case 'plan':
        return this.#plan(step.moves)
      case 'elect':
        return this.#store.epochs.take(step.seen, step.termId)
      case 'setEpoch':
        await this.#system.query('update cluster set epoch = $1, term = $2', [
          numberOf(step.epoch),
          step.epoch.includes(':') ? step.epoch : null,
        ])
        return undefined
      case 'pass':
        return this.#pass(step.ms)
      case 'read':
        return this.#read()
      case 'inMaintenance':
        await operator.setMaintenance({ reason: 'a test', ttlMs: null }, 'op')
        try {
          return await this.#lead(step.step)
        } finally {
          await operator.setMaintenance(null, 'op')
        }
      default:
        return this.#lead(step)
    }
  }

  async #lead(step: LeaderStep): Promise<unknown> {
    const { sweep, repair, plans } = this.#store
    const { epoch } = step
    switch (step.do) {
      case 'requeueExpired':
        await sweep.requeueExpiredClaims(epoch, all)
        return undefined
      case 'releaseDue':
        await sweep.releaseDue(epoch, all)
        return undefined
      case 'releaseHolds':
        await sweep.releaseHolds(epoch, all)
        return undefined
      case 'noteDrained':
        return (await repair.noteDrained(epoch)).toSorted()
      case 'noteDown':
        return repair.noteDown(epoch, step.nodeId, step.down)
      case 'noteAway':
        return repair.noteAway(epoch, step.nodeId, { what: step.what, forMs: 0, reason: 'a test' })
      case 'noteHeard':
        return repair.noteHeard(epoch, step.nodeId)
      case 'advanceWalk':
        return repair.advanceWalk(epoch, step.nodeId, step.afterCid)
      case 'apply': {
        const { added, dropped, stale } = await repair.apply(epoch, step.repairs.map(this.#repair))
        return { added, dropped, stale }
      }
      case 'startMoves': {
        const { started, skipped } = await plans.startMoves(
          epoch,
          this.#applying(),
          step.limit,
          Number.MAX_SAFE_INTEGER,
        )
        return { started, skipped }
      }
      case 'settleMoves':
        return plans.settleMoves(epoch, this.#applying())
    }
  }

  async #accept(pins: readonly NewPin[]): Promise<void> {
    const [{ orgId } = assert.fail('no pins')] = pins
    for (const outcome of await this.#store.pins.acceptPins(this.#org(orgId), pins.map(toStorePin), true))
      if ('error' in outcome) throw outcome.error
  }

  async #plan(moves: Extract<Step, { do: 'plan' }>['moves']): Promise<void> {
    this.#planId = mintId('pln')
    await this.#store.plans.savePlan(
      { id: this.#planId, actor: 'op', summary: {} },
      (async function* pages() {
        yield moves
      })(),
    )
    await this.#store.plans.setPlanState(this.#planId, 'applying', 'op')
  }

  /** Lets time pass: moves all times of the rows into the past, so that with the time that really passed since the last pass it is `ms`. */
  async #pass(ms: number): Promise<void> {
    const nowMs = performance.now()
    const ago = `make_interval(secs => ${Math.max(ms - (nowMs - this.#passedAtMs), 0)} / 1000.0)`
    this.#passedAtMs = nowMs
    await this.#system.query(
      `update placements set wanted_since = wanted_since - ${ago}, next_attempt_at = next_attempt_at - ${ago},
         claimed_until = claimed_until - ${ago}`,
    )
    await this.#system.query(
      `update contents set unpin_after = unpin_after - ${ago} where unpin_after is not null`,
    )
  }

  /** Does what the leader's sweep does after accepts and changes of nodes. */
  async #finishFolds(): Promise<void> {
    const { rows } = await this.#system.query(
      `select exists (select from contents where folding) or (select after is not null from refolds) as are_left`,
    )
    if (rows[0]?.are_left !== true) return
    const epoch = await this.#store.epochs.present()
    while ((await this.#store.sweep.finishFolds(epoch, all)).rows > 0);
  }

  async #read(): Promise<unknown> {
    const { repair, plans, operator } = this.#store
    await this.#system.query('update nodes set last_seen = now()')
    const nodes = (await this.#store.nodes.list()).map(({ id }) => id).toSorted()
    const inTurn = async <T>(read: (nodeId: NodeId) => Promise<T>): Promise<T[]> => {
      const answers: T[] = []
      for (const nodeId of nodes) answers.push(await read(nodeId))
      return answers
    }
    return {
      unsettled: (await repair.unsettled('', all)).map(comparable),
      walks: (await repair.walks()).toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1)),
      down: (await repair.downNodes()).toSorted(),
      moving: await repair.moving(),
      usage: (await plans.usage()).toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1)),
      on: await inTurn(async (nodeId) => (await repair.onNode(nodeId, '', all)).map(comparable)),
      waiting: await inTurn(async (nodeId) => inOrder((await repair.waitingOn(nodeId, '', all)).contents)),
      sole: await inTurn(async (nodeId) =>
        (await operator.soleContents(nodeId, '', all)).contents.map(({ cid }) => cid),
      ),
      movable: await inTurn(async (nodeId) => (await plans.movable(nodeId, '', all)).map(holdersInOrder)),
    }
  }

  async rows(): Promise<Rows> {
    const read = async <R extends object>(sql: string): Promise<R[]> =>
      (await this.#system.query<R>(sql)).rows
    const contents = await read<Rows['contents'][number]>(
      `select cid, wanted::int, unsettled, dag_size::int as "dagSize", case when unpin_after is null then 'never'
         when unpin_after <= clock_timestamp() then 'due' else 'later' end as unpin,
         lost_at is not null as "isLost" from contents`,
    )
    const placements = await read<PlacementRow & { node: string; org: string }>(
      `select cid, node_id as node, org_id as org, generation::int, state, reason, error_code as "errorCode", attempts,
         attempts_before as "attemptsBefore", crashes, retrying, verify, lost, leaving,
         next_attempt_at <= clock_timestamp() as "isDue", wanted_since > next_attempt_at as "isWoken",
         case when claimed_by is not null then jsonb_build_object('boot', claimed_by, 'generation', claimed_generation,
           'until', case when claimed_until < clock_timestamp() then 'over' when claimed_until is not null then 'later' end) end as claim from placements`,
    )
    const pins = await read<Rows['pins'][number] & { org: string; uuid: string }>(
      `select id as uuid, org_id as org, cid, replicas::int, status,
         array(select h from unnest(holds) h order by h) as holds from pins`,
    )
    const nodes = await read<Rows['nodes'][number] & { uuid: string }>(
      `select id as uuid, state, incarnation::int, down_at is not null as "isDown", unable_what as unable, walk_after as "walkAfter" from nodes`,
    )
    const orgOf = (uuid: string): string => this.#orgNames.get(uuid) ?? uuid
    return {
      contents,
      placements: placements.map((row) => ({
        ...row,
        nodeId: idOf('nod', row.node),
        orgId: row.org === noOrg ? null : orgOf(row.org),
      })),
      pins: pins.map((row) => ({ ...row, id: idOf('pin', row.uuid), orgId: orgOf(row.org) })),
      nodes: nodes.map((row) => ({ ...row, id: idOf('nod', row.uuid) })),
      epoch: await this.#store.epochs.present(),
    }
  }

  readonly #job = ({ cid, generation }: { cid: string; generation: number }) => ({
    cid,
    generation: this.#generations.get(generation) ?? assert.fail(`generation ${generation} is not known`),
  })

  readonly #repair = (repair: Repair): Repair => ({
    ...repair,
    seen: repair.seen.map((copy) => ({
      ...copy,
      ...this.#job({ cid: repair.cid, generation: copy.generation }),
    })),
  })

  #org(name: string): OrgId {
    return this.#orgs.get(name) ?? assert.fail(`no org ${name}`)
  }

  #applying(): PlanId {
    return this.#planId ?? assert.fail('no plan is being applied')
  }
}

function inOrder(contents: ContentCopies[]): object[] {
  return contents.toSorted((a, b) => (a.cid < b.cid ? -1 : 1)).map(comparable)
}

function identity({ nodeId, boot }: { nodeId: NodeId; boot: number }): NodeIdentity {
  return { nodeId, incarnation: boot }
}

function pinId(id: string): PinId {
  return idOrNull('pin', id) ?? assert.fail(`${id} is no pin's id`)
}

function toStorePin({ id, cid, replicas, nodes }: NewPin): StorePin {
  return { id: pinId(id), cid, cidText: cid, replicas, actor, nodes: [...nodes] }
}

import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { assertAgreement } from '../../testing/database/agreement.ts'
import { Random } from '../../testing/random.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { settlePlacements, sweepOnce } from '../../testing/database/settle-placements.ts'
import { testStore } from '../../testing/database/test-store.ts'
import { AnchorageError, isCode } from '../core/errors.ts'
import { mintId, type OrgId, type PinId } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { NewPin } from '../core/pin.ts'

const actor = mintId('tok')
const { database, store } = await testStore()
let node: NodeIdentity
let orgs: OrgId[]

before(async () => {
  node = await store.nodes.boot('node-1')
  orgs = [
    (await store.orgDirectory.createOrg('one', {}, 'operator')).id,
    (await store.orgDirectory.createOrg('two', {}, 'operator')).id,
  ]
})

test('accepts, replaces, deletes, work and sweeps that race over a few contents leave consistent counts, pins and placements', async () => {
  const epoch = await nextEpoch(store)
  const pins = new Map(orgs.map((org) => [org, new Set<PinId>()]))
  const dice = new Random(7)
  const random = () => dice.next()
  const pick = <T>(list: T[]): T => list[Math.floor(random() * list.length)] ?? fail('nothing to pick from')
  const newPin = (): NewPin => {
    const cid = `content-${Math.floor(random() * 12)}`
    return {
      id: mintId('pin'),
      cid,
      cidText: cid,
      name: 'race',
      meta: { race: cid },
      replicas: 1,
      actor,
      nodes: [node.nodeId],
    }
  }
  const user = async (org: OrgId): Promise<void> => {
    const own = pins.get(org) ?? new Set()
    for (let i = 0; i < 40; i++) {
      const act = random()
      const old = [...own][Math.floor(random() * own.size)]
      if (act < 0.5 || old === undefined) {
        const batch = Array.from({ length: 1 + Math.floor(random() * 4) }, newPin)
        for (const outcome of await store.pins.acceptPins(org, batch, false)) {
          assert.ok('pin' in outcome)
          own.add(outcome.pin.id)
        }
      } else {
        own.delete(old)
        const gone =
          act < 0.7 ? store.pins.replacePin(org, old, newPin(), false) : store.pins.removePin(org, old, actor)
        const made = await gone.catch((error: unknown) =>
          isCode(error, 'not_found') ? null : Promise.reject(error),
        )
        if (made && 'pin' in made) own.add(made.pin.id)
      }
    }
  }
  const users = Promise.all([...orgs, ...orgs].map(user))
  let busy = true
  const worker = async (): Promise<void> => {
    while (busy) {
      const claims = await store.placements.claim(node, await store.placements.due(node, 8, 8), 30_000)
      if (claims.length === 0) continue
      await store.placements.extend(
        node,
        claims.map((claim) => ({ ...claim, blocks: 1, bytes: 1 })),
        30_000,
      )
      await store.placements.finish(
        node,
        claims.map(({ cid, generation, work }) => ({
          cid,
          generation,
          outcome:
            work === 'unpin'
              ? { kind: 'unpinned' as const }
              : pick([
                  { kind: 'pinned' as const, blocks: 1, bytes: 10, foreignPin: false },
                  { kind: 'retry' as const, errorCode: 'stalled' as const, error: 'stalled', delayMs: 1 },
                  { kind: 'failed' as const, errorCode: 'kubo_error' as const, error: 'no' },
                  { kind: 'released' as const },
                ]),
        })),
      )
    }
  }
  const sweeper = async (): Promise<void> => {
    while (busy) await sweepOnce(store, epoch)
  }
  const others = Promise.all([worker(), worker(), sweeper()])
  await users
  busy = false
  await others
  await settlePlacements(store, node, epoch)
  await assertPins(pins)
})

async function assertPins(pins: Map<OrgId, Set<PinId>>): Promise<void> {
  for (const [org, own] of pins) {
    const page = await store.pins.listPins(org, { limit: 1000 })
    assert.deepEqual(new Set(page.results.map((pin) => pin.id)), own)
    assert.equal(page.count, own.size)
    assert.equal((await store.pins.listPins(org, { limit: 1, name: 'race' })).count, own.size)
  }
  await assertAgreement(database.systemUrl)
}

function fail(message: string): never {
  throw new AnchorageError('internal', message)
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { epochOf, type Epoch } from '../core/epoch.ts'
import { AnchorageError } from '../core/errors.ts'
import { mintId } from '../core/ids.ts'
import type { Job } from '../core/placement.ts'
import type { Bus, OrgRemovalStore } from '../core/ports.ts'
import { removeOrgs } from './remove-orgs.ts'
import { silentLog } from '../core/silent-log.ts'

const [orgId, nodeId] = [mintId('org'), mintId('nod')]
const running = new AbortController().signal

/** An org with this many pins, each with one placement. */
class Doomed implements OrgRemovalStore {
  left: number
  epochs = new Set<Epoch>()
  onStep = () => {}

  constructor(left: number) {
    this.left = left
  }

  async removeSome(epoch: Epoch, limit: number) {
    this.onStep()
    this.epochs.add(epoch)
    if (this.left < 0) return null
    const pins = Math.min(limit, this.left)
    const removed = pins === 0
    this.left -= removed ? 1 : pins
    const jobs = Array.from({ length: pins }, (_, n) => ({
      cid: `${this.left}-${n}`,
      nodeId,
      orgId: null,
      generation: 1,
      attempt: 1,
    }))
    return { orgId, pins, removed, jobs }
  }
}

function rig(store: Doomed) {
  const published: Job[] = []
  const bus: Bus = {
    publishJobs: async (jobs) => void published.push(...jobs),
    consumeJobs: () => Promise.resolve(),
    trouble: () => null,
  }
  const worker = removeOrgs({ store, bus, log: silentLog })
  return { published, run: (signal = running) => worker.run({ epoch: epochOf('5'), signal }) }
}

test('it continues under its epoch until nothing is left to remove, hints the placements to be unpinned, and finds nothing in a second run', async () => {
  const store = new Doomed(450)
  const { published, run } = rig(store)
  assert.deepEqual(await run(), { pins: 450, orgs: 1, hinted: 450, maintenance: false })
  assert.equal(published.length, 450)
  assert.deepEqual([...store.epochs], ['5'])
  assert.deepEqual(await run(), { pins: 0, orgs: 0, hinted: 0, maintenance: false })
})

test('it stops between two steps when leadership ends, and another leader continues', async () => {
  const store = new Doomed(1_000)
  const { run } = rig(store)
  const lost = new AbortController()
  store.onStep = () => lost.abort()
  assert.equal((await run(lost.signal)).pins, 200)
  assert.deepEqual(await run(), { pins: 800, orgs: 1, hinted: 800, maintenance: false })
})

test('during maintenance it does nothing, and this is not a failure', async () => {
  const store = new Doomed(10)
  const { run } = rig(store)
  store.onStep = () => {
    throw new AnchorageError('maintenance', 'maintenance is on')
  }
  assert.deepEqual(await run(), { pins: 0, orgs: 0, hinted: 0, maintenance: true })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node } from '../src/core/node.ts'
import type { Repair } from '../src/core/repair.ts'
import { World, type WorldOptions } from './simulation/world.ts'
import { denseWorld } from './simulation/worlds.ts'

// `npm run test:simulation` runs more seeds and a wide world, and replays a seed.
const runs = 16

test('small clusters keep every promise through every fault, and come to rest', async () => {
  const refused = { epoch: 0, maintenance: 0, generation: 0 }
  const faults = new Set<string>()
  for (let seed = 1; seed <= runs; seed++) {
    const world = new World(denseWorld(seed))
    await world.run()
    for (const fault of world.faults.keys()) faults.add(fault)
    for (const what of ['epoch', 'maintenance', 'generation'] as const)
      refused[what] += world.db.refused[what]
  }
  // the runs were effective: each of these happened, and was refused
  assert.equal(faults.size, 21)
  assert.ok(
    refused.epoch > 20 && refused.maintenance > 20 && refused.generation > 20,
    JSON.stringify(refused),
  )
})

test('the same seed gives the same run', async () => {
  const [one, two] = [new World(denseWorld(3)), new World(denseWorld(3))]
  await one.run()
  await two.run()
  assert.deepEqual([...one.watch.counts], [...two.watch.counts])
  assert.equal(one.time.now, two.time.now)
})

test('the invariants catch a leader that drops draining copies before their replacements are pinned', async () => {
  const bend = (repair: Repair, nodes: readonly Node[]): Repair => {
    const draining = (id: string): boolean => nodes.some((node) => node.id === id && node.state !== 'active')
    const early = repair.seen.filter(({ nodeId, state }) => state === 'pinned' && draining(nodeId))
    const rest = repair.drop.filter(({ nodeId }) => !early.some((copy) => copy.nodeId === nodeId))
    return {
      ...repair,
      drop: [...rest, ...early.map(({ nodeId }) => ({ nodeId, reason: 'drain' }) as const)],
    }
  }
  assert.match(await firstBroken({ bend, without: { dropLast: false } }), /I2: a copy was dropped/)
})

test('the invariants catch a leader that never adds copies', async () => {
  const bend = (repair: Repair): Repair => ({ ...repair, add: [] })
  assert.match(await firstBroken({ bend }), /I2: .* wanted in the end|in the end/)
})

test('the invariants catch a leader that still writes after its epoch is over', async () => {
  assert.match(await firstBroken({ without: { epoch: false } }), /I4: .* was committed under/)
})

test('the invariants catch a leader whose epoch is over, and whose number is given again', async () => {
  assert.match(await firstBroken({ without: { term: false } }, 8), /I4: .* was committed under/)
})

test('the invariants catch an outcome that is accepted for another generation than its own', async () => {
  assert.match(await firstBroken({ without: { generation: false } }), /I5: finish/)
})

test('the invariants catch nodes that remove content before all have compared their Kubos with a restored database', async () => {
  assert.match(await firstBroken({ without: { barrier: false }, goesBack: true }, 20), /I2: the last copy/)
})

test('the invariants catch nodes that unpin the last copy because an old placement says so', async () => {
  assert.match(await firstBroken({ without: { lastCopy: false }, goesBack: true }), /I2: the last copy/)
})

/** The invariant that breaks when rules are broken, in the first run that shows it, from seed `from` on. */
async function firstBroken(options: Partial<WorldOptions>, from = 1): Promise<string> {
  for (let seed = from; seed < from + 20; seed++) {
    try {
      await new World({ ...denseWorld(seed), goesBack: false, ...options }).run()
    } catch (error) {
      return String(error)
    }
  }
  return 'nothing'
}

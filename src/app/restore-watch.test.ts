import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { recordingLog } from '../../testing/recording-log.ts'
import { mintId } from '../core/ids.ts'
import type { Remembered, Shown } from '../core/marks.ts'
import type { Finish } from '../core/placement.ts'
import type { PlacementStore } from '../core/ports.ts'
import type { MarksStore } from '../store/marks.ts'
import { readRemembered, rememberedPath, writeRemembered } from './remembered.ts'
import { restoreWatch } from './restore-watch.ts'

const node = { nodeId: mintId('nod'), incarnation: 2, name: 'n' }

/** A node that watches a database of which only the marks exist. */
function world(remembered: Remembered | null = null) {
  const database: Shown = {
    restoreId: null,
    generation: 10,
    epoch: 1,
    confirmed: true,
    lost: [],
    uncompared: false,
    othersUncompared: [],
  }
  const saved: Remembered[] = []
  const asked: string[][] = []
  let canSave = true
  let whileReading = async () => {}
  let changes = 0
  let marks = 0
  const store: MarksStore = {
    async read(_node, pinned) {
      asked.push(pinned.map(({ cid }) => cid))
      const shown = { ...database }
      await whileReading()
      return shown
    },
    async markRestored(_node, { generation, epoch }) {
      marks++
      Object.assign(database, { restoreId: `r${marks}`, confirmed: false, uncompared: true })
      database.generation = Math.max(database.generation, generation) + 1_000
      database.epoch = Math.max(database.epoch, epoch) + 1_000
    },
    async follow() {
      Object.assign(database, { confirmed: true, uncompared: false })
    },
    async compared(_node, restoreId) {
      if (restoreId === database.restoreId) database.uncompared = false
    },
  }
  const log = recordingLog()
  const watch = restoreWatch({
    store,
    node,
    remembered,
    async write(now) {
      if (!canSave) throw new Error('read-only file system')
      saved.push(now)
    },
    onChange: () => changes++,
    log,
  })
  const placements = watch.watching({ finish: async () => [] } as Partial<PlacementStore> as PlacementStore)
  const finish = (cid: string, generation: number, kind: 'pinned' | 'unpinned') => {
    const outcome: Finish['outcome'] =
      kind === 'pinned' ? { kind, blocks: 1, bytes: 1, foreignPin: false } : { kind }
    return placements.finish(node, [{ cid, generation, outcome }])
  }
  return {
    database,
    watch,
    finish,
    saved,
    asked,
    said: log.said,
    counts: () => ({ changes, marks }),
    cannotSave: () => (canSave = false),
    reading: (work: () => Promise<void>) => (whileReading = work),
    round: () => watch.around(async () => {}),
  }
}

test('a database that shows less is marked once, and is restored until somebody decides; then the node follows it', async () => {
  const at = world()
  await at.round()
  assert.deepEqual([at.watch.restored(), at.watch.trouble()], [false, null])
  at.database.generation = 9
  assert.equal(await at.watch.isRestored(), true)
  await at.round()
  assert.deepEqual(at.counts(), { changes: 1, marks: 1 })
  assert.match(
    at.watch.trouble()?.reason ?? '',
    /went back in time: its newest generation is 9.*admin reconcile/,
  )
  assert.equal(at.said.length, 1)
  Object.assign(at.database, { confirmed: true, uncompared: false })
  assert.equal(await at.watch.isRestored(), false)
  assert.equal(at.watch.trouble(), null)
  assert.partialDeepStrictEqual(at.saved.at(-1), { restoreId: 'r1', generation: 1_010, pinned: [] })
  await at.round()
  assert.deepEqual(at.counts(), { changes: 2, marks: 1 })
  at.database.epoch = 2
  assert.equal(await at.watch.isRestored(), true, 'it can go back again')
})

test('a node that is decided for still removes nothing until it and all other nodes have compared their Kubos', async () => {
  const at = world()
  await at.round()
  at.database.generation = 9
  assert.deepEqual(await at.watch.state(), { restoreId: 'r1', stage: 'undecided' })
  const names = Array.from({ length: 7 }, (_, n) => `n${n}`)
  Object.assign(at.database, { confirmed: true, othersUncompared: names })
  assert.deepEqual(await at.watch.state(), { restoreId: 'r1', stage: 'comparing' })
  assert.match(at.watch.trouble()?.reason ?? '', /its newest generation is 9.*this node compares its Kubo/)
  await at.watch.compared('another restore')
  assert.equal((await at.watch.state()).stage, 'comparing')
  await at.watch.compared('r1')
  assert.equal((await at.watch.state()).stage, 'waiting')
  assert.match(
    at.watch.trouble()?.reason ?? '',
    /no node removes anything until n0, n1, n2, n3, n4 and 2 more follow it/,
  )
  assert.equal(at.watch.restored(), true)
  const before = at.counts().changes
  at.database.othersUncompared = []
  assert.equal(await at.watch.isRestored(), false)
  assert.deepEqual([at.watch.restored(), at.watch.trouble()], [false, null])
  assert.equal(at.counts().changes, before + 1, 'the reconciler runs at once')
})

test('numbers that a node showed before its write failed are not remembered: Postgres may lose them', async () => {
  const at = world()
  await at.round()
  at.database.generation = 50
  await assert.rejects(
    at.watch.around(async () => {
      throw new Error('Postgres ended')
    }),
  )
  at.database.generation = 20
  assert.equal(await at.watch.isRestored(), false)
  await at.round()
  at.database.generation = 19
  assert.equal(await at.watch.isRestored(), true)
})

test('a lost placement that this node pinned is noticed, whatever the numbers say', async () => {
  const at = world()
  await at.round()
  await at.finish('c1', 11, 'pinned')
  at.database.generation = 40
  at.database.lost = [{ cid: 'c1', generation: 11 }]
  assert.equal(await at.watch.isRestored(), true)
  assert.deepEqual(at.asked.at(-1), ['c1'])
})

test('a placement that is unpinned while the database is read is not missed', async () => {
  const at = world()
  await at.round()
  await at.finish('c1', 11, 'pinned')
  at.database.lost = [{ cid: 'c1', generation: 11 }]
  at.reading(async () => void (await at.finish('c1', 12, 'unpinned')))
  assert.equal(await at.watch.isRestored(), false)
})

test('a look that began before the question does not answer it', async () => {
  const at = world()
  await at.round()
  let second: Promise<boolean> | undefined
  at.reading(async () => {
    at.reading(async () => {})
    at.database.generation = 1
    second = at.watch.isRestored()
  })
  assert.equal(await at.watch.isRestored(), false)
  assert.equal(await second, true)
})

test('a node decides by itself only when the restore has been known for two minutes', async () => {
  const at = world()
  await at.round()
  at.database.generation = 1
  await at.watch.isRestored()
  assert.equal(await at.watch.follow(false), false)
  for (let round = 0; round < 60; round++) await at.round()
  assert.equal(at.watch.restored(), true)
  assert.equal(await at.watch.follow(false), true)
  assert.equal(at.watch.restored(), false)
})

test('a new node whose Kubo is empty follows a restored database at once', async () => {
  const remembered = { restoreId: null, generation: 10, epoch: 1, incarnation: 1, pinned: [] }
  for (const [memory, follows] of [
    [null, true],
    [remembered, false],
  ] as const) {
    const at = world(memory)
    Object.assign(at.database, { restoreId: 'r1', confirmed: false })
    await at.round()
    await at.round()
    assert.equal(await at.watch.follow(false), false)
    assert.equal(await at.watch.follow(true), follows)
  }
  const at = world()
  await at.round()
  Object.assign(at.database, { restoreId: 'r1', confirmed: false })
  await at.round()
  assert.equal(await at.watch.follow(true), false, 'an attempt from before the restore may be under way')
})

test('what a node remembers is saved at its first round and every ten seconds, if it changed, and a failure is logged once', async () => {
  const at = world()
  for (let round = 0; round < 11; round++) {
    at.database.generation = 10 + round
    await at.round()
  }
  assert.deepEqual(
    at.saved.map(({ generation }) => generation),
    [10, 15, 20],
  )
  await at.watch.save()
  assert.equal(at.saved.length, 3)
  at.cannotSave()
  for (let round = 0; round < 11; round++) {
    at.database.generation++
    await at.round()
  }
  assert.deepEqual(
    at.said.map((line) => /make data\.dir writable/.test(line)),
    [true],
  )
})

test('a node reads what it wrote, for each cluster apart, and a file that cannot be understood is no memory', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-seen-'))
  t.after(() => rm(dir, { recursive: true }))
  const data = join(dir, 'data')
  const seen = {
    restoreId: null,
    generation: 5,
    epoch: 1,
    incarnation: 2,
    pinned: [{ cid: 'c', generation: 4 }],
  }
  assert.equal(await readRemembered(data, 'a'), null)
  await writeRemembered(data, 'a', seen)
  assert.deepEqual(await readRemembered(data, 'a'), seen)
  assert.equal(await readRemembered(data, 'b'), null)
  for (const text of ['', '{"generation":1}', 'null']) {
    await writeFile(rememberedPath(data, 'b'), text)
    assert.equal(await readRemembered(data, 'b'), null)
  }
  assert.equal((await readdir(data)).length, 2, 'no other file is left')
})

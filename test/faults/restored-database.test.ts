// A world of its own: its database is put back to an earlier state.
import { strict as assert } from 'node:assert'
import { rm } from 'node:fs/promises'
import { after, before, suite, test } from 'node:test'
import { run } from '../../src/process/run.ts'
import { endPostgresIn } from '../../src/dev/leftovers.ts'
import { postgresPlace } from '../../src/dev/postgres-place.ts'
import { postgresUser } from '../../src/dev/postgres-user.ts'
import { freshBlocks, type Block } from '../../testing/content.ts'
import { patience } from '../../testing/patience.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger } from '../../testing/world/ledger.ts'
import { World } from '../../testing/world/world.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'

const count = 60

/** The output of `admin reconcile --json`. */
interface Reconcilers {
  results: { name: string; blocked: number | null; endedAt: string | null; report: { pins: number } | null }[]
}

suite('a database that is restored by other means than anchorage', () => {
  let world: World
  let outside: OutsideKubo
  let place: string
  const ledger = new Ledger()
  /** Accepted and pinned after the snapshot. */
  let later: Block[]

  before(async () => {
    outside = await startOutsideKubo()
    // No server is restarted by itself, so that Postgres stays away while its files are copied.
    world = await World.start({ nodes: 2, restartAfter: 0 })
    place = await postgresPlace(world.data, postgresUser())
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
    await rm(snapshot(), { recursive: true, force: true })
  })

  const snapshot = (): string => `${place}.snapshot`

  /** Copies a folder with its owners, which are those of Postgres. */
  const copy = async (from: string, to: string): Promise<void> =>
    void (await run('cp', ['-a', from, to], { env: process.env, limitMs: patience.usualMs }))

  /** Stops Postgres, works on its files, and starts it again. */
  async function withPostgresStopped(work: () => Promise<void>): Promise<void> {
    const pid = await world.pid('postgres')
    await endPostgresIn(place)
    await work()
    await until('Postgres runs again', async () => {
      await world.signal('dev', 'SIGUSR2')
      return (await world.pid('postgres')) !== pid
    })
    for (const n of world.nodes)
      await until(`node ${n} accepts pins`, async () => (await world.ready(n)).http === 200, {
        withinMs: patience.longMs,
      })
  }

  /** The reconcilers run once more: that follows when a Kubo comes back. */
  async function reconciled(): Promise<void> {
    const ended = async () =>
      (await world.admin<Reconcilers>('reconcile')).results.map(({ endedAt }) => endedAt)
    const was = await ended()
    for (const n of world.nodes) {
      await world.kill('kubo', n)
      await until(`node ${n} misses its Kubo`, async () =>
        (await world.ready(n)).reasons.some(({ what }) => what === 'kubo'),
      )
      await world.revive(n)
    }
    await until(
      'both reconcilers have run again',
      async () => (await ended()).every((at, i) => at !== null && at !== was[i]),
      { withinMs: patience.longMs, everyMs: 500 },
    )
  }

  async function stillPinned(blocks: { cid: string }[] = later): Promise<number> {
    const pins = await Promise.all(world.nodes.map(async (n) => (await world.kubo(n)).pins()))
    return blocks.filter(({ cid }) => pins.some((each) => each.has(cid))).length
  }

  /** Puts the database back to the snapshot. */
  async function goBack(): Promise<void> {
    await withPostgresStopped(async () => {
      await rm(place, { recursive: true })
      await copy(snapshot(), place)
    })
  }

  /** There is nothing to confirm before a reconciler has looked. */
  async function allWait(): Promise<void> {
    await until(
      'both reconcilers wait for a decision',
      async () =>
        (await world.admin<Reconcilers>('reconcile')).results.every(({ blocked }) => blocked !== null),
      { withinMs: patience.longMs, everyMs: 500 },
    )
  }

  async function post(blocks: Block[], into: Ledger): Promise<void> {
    await outside.rpc.put(blocks)
    const api = await world.api()
    await eachInFlight(blocks, 8, ({ cid }) => into.post(api, { cid, origins: [outside.address] }))
  }

  async function allPinned(): Promise<void> {
    const api = await world.api()
    const left = async () => (await api.all()).filter(({ status }) => status !== 'pinned').length
    await until('all is pinned', async () => (await left()) === 0, { withinMs: patience.longMs })
  }

  test('content that was accepted after the snapshot stays pinned, and the nodes say why', async () => {
    await post(await freshBlocks(10), ledger)
    await allPinned()
    await withPostgresStopped(() => copy(place, snapshot()))
    // one node starts again after the snapshot, so its incarnation there is an older one
    await world.kill('node', 2)
    await world.revive(2)
    later = await freshBlocks(count)
    await post(later, new Ledger())
    await allPinned()
    assert.equal(await stillPinned(), count)

    const pid = await world.pid('node', 2)
    await goBack()
    for (let sweep = 0; sweep < 3; sweep++) await reconciled()
    const left = await stillPinned()
    process.stderr.write(`${left} of ${count} contents acknowledged since the snapshot are still pinned\n`)
    assert.equal(left, count)
    for (const n of world.nodes) {
      const { reasons } = await world.ready(n)
      const history = reasons.find(({ what }) => what === 'history')
      assert.match(history?.reason ?? '', /went back in time|was restored/, `node ${n}`)
    }
    assert.equal(await world.pid('node', 2), pid, 'the node that had started again since has not ended')
    await world.kill('node', 1)
    await world.revive(1)
    assert.equal((await world.ready(1)).http, 200)
  })

  test('the operator adopts it as pins of an org, and the nodes follow the database again', async () => {
    const api = await world.api()
    const names = world.nodes.map((n) => `dev-${n}`)
    const unwanted = async (name: string) =>
      (await world.admin<{ results: { cid: string }[] }>('reconcile', name, '--list')).results
    await until(
      'both nodes list their unwanted pins',
      async () => (await Promise.all(names.map(unwanted))).flat().length >= count,
      { withinMs: patience.longMs, everyMs: 500 },
    )
    for (const name of names) await world.anchorage('admin', 'reconcile', name, '--adopt', 'dev')
    const listed = new Set((await api.all()).map(({ pin }) => pin.cid))
    assert.deepEqual(
      later.filter(({ cid }) => !listed.has(cid)),
      [],
    )
    await allWait()
    for (const name of names) await world.anchorage('admin', 'reconcile', name, '--confirm', '--yes')
    await world.well()
    await allPinned()
    await reconciled()
    assert.equal(await stillPinned(), count)
    for (const { requestid, pin } of await api.all()) ledger.promised.set(requestid, pin.cid)
    await checkInvariants(world, ledger, { wentBack: true })
  })

  test('content that was moved since the snapshot is never without a copy, although the operator decides node by node', async () => {
    const all = [...ledger.promised.values()].map((cid) => ({ cid }))
    await rm(snapshot(), { recursive: true })
    await withPostgresStopped(() => copy(place, snapshot()))
    await world.anchorage('admin', 'drain', 'dev-1')
    await world.anchorage('admin', 'uncordon', 'dev-1')
    const left = (await (await world.kubo(1)).pins()).size
    await goBack()
    await until('node 1 says so', async () =>
      (await world.ready(1)).reasons.some(({ what }) => what === 'history'),
    )
    await reconciled()
    await allWait()
    // by the database node 1 still has its content, and what node 2 has of it is unwanted
    await world.anchorage('admin', 'reconcile', 'dev-2', '--confirm', '--yes')
    for (let sweep = 0; sweep < 2; sweep++) await reconciled()
    assert.equal(await stillPinned(all), all.length, 'while node 1 is not decided for')
    const history = (await world.ready(2)).reasons.find(({ what }) => what === 'history')
    assert.match(history?.reason ?? '', /until dev-1 follow it too/)
    await world.anchorage('admin', 'reconcile', 'dev-1', '--confirm', '--yes')
    await world.well()
    await allPinned()
    await reconciled()
    assert.equal(await stillPinned(all), all.length)
    assert.ok((await (await world.kubo(1)).pins()).size > left, 'node 1 has its content again')
    await checkInvariants(world, ledger, { wentBack: true })
  })
})

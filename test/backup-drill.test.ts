// A world of its own: all of its data is deleted.
import { strict as assert } from 'node:assert'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { main } from '../src/cli/main.ts'
import { openDataDir } from '../src/dev/data-dir.ts'
import { devDatabase } from '../src/dev/database.ts'
import { dropPostgresPlace } from '../src/dev/postgres-place.ts'
import type { Api, WirePin } from '../testing/clients/api.ts'
import { apiOf } from '../testing/clients/api.ts'
import { freshBlocks } from '../testing/content.ts'
import { checkInvariants } from '../testing/world/invariants.ts'
import { Ledger } from '../testing/world/ledger.ts'
import { startOutsideKubo, type OutsideKubo } from './outside-kubo.ts'
import { patience } from '../testing/patience.ts'
import { eachInFlight, until } from '../testing/settle.ts'
import { World } from '../testing/world/world.ts'

/** The output of `admin reconcile --json`. */
interface Reconcilers {
  results: { name: string; blocked: number | null; report: { missing?: number; restored?: boolean } | null }[]
}

suite('the backup drill', () => {
  let dir: string
  let file: string
  let world: World
  let outside: OutsideKubo
  /** The pins that the backup must bring back. */
  const kept = new Ledger()
  /** Pinned after the backup, so lost with the database. */
  let later: string

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'anchorage-drill-'))
    file = join(dir, 'backup')
    outside = await startOutsideKubo()
    world = await World.start({
      nodes: 3,
      data: join(dir, 'dev'),
      env: { ANCHORAGE_PIN_BACKOFF_MIN: '500ms' },
    })
  })

  after(async () => {
    await world[Symbol.asyncDispose]()
    await dropPostgresPlace(join(dir, 'dev'))
    await outside[Symbol.asyncDispose]()
    await rm(dir, { recursive: true, force: true })
  })

  async function pins(count: number): Promise<WirePin[]> {
    const blocks = await freshBlocks(count)
    await outside.rpc.put(blocks)
    const meta = { 'anchorage.replicas': '2' }
    return blocks.map(({ cid }) => ({ cid, origins: [outside.address], meta }))
  }

  async function post(api: Api, count: number): Promise<string[]> {
    return eachInFlight(await pins(count), 8, (pin) => kept.post(api, pin))
  }

  test('a backup is taken while nodes serve, and contains everything that was accepted before', async () => {
    // the backup also contains the stranger that the invariants use
    await world.stranger()
    const api = await world.api()
    await post(api, 60)
    await checkInvariants(world, kept)
    const { rows }: { rows: Record<string, number> } = JSON.parse(
      await world.anchorage('backup', file, '--json'),
    )
    assert.equal(rows['pins'], 60)
    assert.equal(rows['nodes'], 3)
    const [pin] = await pins(1)
    later = (await api.post(pin ?? assert.fail('no pin'))).requestid
  })

  test('everything but the master key and the configs is deleted; a new database is created and restored', async () => {
    await world.stop()
    const data = join(dir, 'dev')
    await using wiped = await openDataDir(data, { reset: false, say() {} })
    await dropPostgresPlace(data)
    const remembered = ['dev.json', 'master.key', 'dev.lock', 'logs']
    for (const name of await readdir(data)) {
      if (!remembered.some((known) => name.startsWith(known))) await rm(join(data, name), { recursive: true })
    }
    const database = await devDatabase({
      dir: wiped,
      given: undefined,
      env: process.env,
      restartAfterMs: null,
      serverReports: () => () => {},
      say() {},
    })
    await using _server = database.server ?? assert.fail('no Postgres')
    const its = {
      ANCHORAGE_DATABASE_OWNER_URL: database.ownerUrl,
      ANCHORAGE_DATABASE_URL: database.tenantUrl,
      ANCHORAGE_DATABASE_SYSTEM_URL: database.systemUrl,
      ANCHORAGE_AUTH_MASTER_KEY_FILE: join(data, 'master.key'),
    }
    for (const verb of [
      ['migrate', 'up'],
      ['restore', file],
    ])
      assert.equal(await anchorage(its, ...verb), 0, verb.join(' '))
    assert.equal(await anchorage(its, 'restore', file), 1, 'a second restore is refused')
  })

  test('the nodes start with empty Kubos: their reconcilers report the missing pins, and change nothing', async () => {
    await world.startAgain({ nodes: 3 })
    await world.well('reconciler', 'history')
    const said = await until(
      'every reconciler has said what it found',
      async () => {
        const { results } = await world.admin<Reconcilers>('reconcile')
        return results.every(({ report }) => report !== null) && results
      },
      { withinMs: patience.longMs, everyMs: 500 },
    )
    for (const { name, blocked, report } of said)
      assert.partialDeepStrictEqual({ blocked, report }, { blocked: 0, report: { restored: true } }, name)
    assert.equal(
      said.reduce((sum, { report }) => sum + (report?.missing ?? 0), 0),
      2 * 60,
    )
    for (const n of world.nodes)
      await until(`node ${n} says that its reconciler waits for a person`, async () =>
        (await world.ready(n)).reasons.some(({ what }) => what === 'reconciler'),
      )
    for (const n of world.nodes)
      assert.deepEqual(
        [...(await (await world.kubo(n)).pins())].filter(([, name]) => name !== ''),
        [],
      )
  })

  test('after the confirmation, the nodes pin everything again; the old token works, and later pins are gone', async () => {
    for (const n of world.nodes) await world.anchorage('admin', 'reconcile', `dev-${n}`, '--confirm', '--yes')
    await until(
      'every reconciler continues',
      async () => {
        const { results } = await world.admin<Reconcilers>('reconcile')
        return results.every(({ blocked }) => blocked === null)
      },
      { withinMs: patience.longMs, everyMs: 500 },
    )
    await checkInvariants(world, kept)
    const api = await world.api()
    const ids = new Set((await api.all()).map(({ requestid }) => requestid))
    assert.equal(ids.has(later), false)
    assert.equal(ids.size, 60)
    // from here on everything works as before
    await post(api, 5)
    await checkInvariants(world, kept)
  })

  test('all pins of an org move to another by a file, and a second run adds none', async () => {
    const other = await world.newOrg('other')
    const { url, token } = await world.api()
    const written = join(dir, 'pins.ndjson')
    const ours = await secretIn('ours', token)
    const theirs = await secretIn('theirs', other.token)
    const from = ['--from', url, '--token-file', ours, '--json']
    const exported: { pins: number } = JSON.parse(await world.anchorage('pin', 'export', written, ...from))
    assert.equal(exported.pins, kept.promised.size)
    const all = exported.pins
    for (const [added, there] of [
      [all, 0],
      [0, all],
    ]) {
      const into = ['--url', other.url, '--token-file', theirs, '--json']
      const said = JSON.parse(await world.anchorage('pin', 'import', written, ...into))
      assert.deepEqual(said, { added, there, refused: 0 })
    }
    const wishes = (listed: Awaited<ReturnType<typeof other.all>>) =>
      new Set(listed.map(({ pin: { cid, name, meta } }) => JSON.stringify([cid, name, meta])))
    assert.deepEqual(wishes(await other.all()), wishes(await apiOf(url, token).all()))
    assert.equal(
      (await other.list({ status: 'pinned', limit: '1' })).count,
      all,
      'pinned content is pinned again at once',
    )
  })

  async function secretIn(name: string, secret: string): Promise<string> {
    const path = join(dir, name)
    await writeFile(path, secret, { mode: 0o600 })
    return path
  }
})

async function anchorage(env: Record<string, string>, ...argv: string[]): Promise<number> {
  const signal = new AbortController().signal
  return main(argv, { env, out() {}, err: (text) => void process.stderr.write(text), terminal: null, signal })
}

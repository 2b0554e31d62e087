import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import pg from 'pg'
import { assertAgreement } from '../../testing/database/agreement.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { settlePlacements } from '../../testing/database/settle-placements.ts'
import { numberOf } from '../core/epoch.ts'
import { silentLog } from '../core/silent-log.ts'
import { testDatabase, type TestDatabase } from '../../testing/servers/postgres.ts'
import type { BackupPart } from '../core/backup.ts'
import { mintId, type KeyId, type OrgId } from '../core/ids.ts'
import type { NewPin } from '../core/pin.ts'
import { wrapKey } from '../auth/key-wrap.ts'
import type { NodeIdentity } from '../core/node.ts'
import { readBackup } from '../store/backup.ts'
import { backedUp, leftOut } from '../store/backup-tables.ts'
import { codeLevel } from '../store/migrate.ts'
import { openStore, type Store } from '../store/store.ts'
import { writeBackupFile } from './backup-file.ts'
import { main } from './main.ts'

const actor = mintId('tok')
const master = randomBytes(32)
const secret = randomBytes(32)
const { signal } = new AbortController()
let dir: string
let database: TestDatabase
let store: Store
let node: NodeIdentity
let org: OrgId

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'anchorage-backup-'))
  database = await testDatabase()
  store = openStore({ ...database, log: silentLog, unpinGraceMs: 3_600_000 })
  node = await store.nodes.boot('node-1')
  org = (await store.orgDirectory.createOrg('acme', { limits: { maxBytes: 1e9 } }, 'test')).id
  const key = mintId('key')
  await store.tokens.rotateKey({ id: key, wrapped: wrapKey(master, key, secret), state: 'active' })
  const epoch = await nextEpoch(store)
  await store.nodes.bindKubo(node, { peerId: 'old', multiaddrs: ['/ip4/192.0.2.1/tcp/4001/p2p/old'] })
  const odd = { name: 'a "name"\n\u2028\\ ✓', meta: { k: 'v\t"', 'anchorage.replicas': '1' } }
  await accept(...Array.from({ length: 1_500 }, (_, n) => pin(`c${n}`, n % 3 === 0 ? odd : {})))
  await settlePlacements(store, node, epoch, () => 5)
  const gone = await accept(pin('gone'))
  await settlePlacements(store, node, epoch, () => 5)
  await store.pins.removePin(org, gone, actor)
  await accept(pin('waits'))
  await fillTheRest(key)
})
after(async () => {
  await store[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
  await rm(dir, { recursive: true, force: true })
})

test('every table is either in a backup or left out for a reason, and comes after the tables it refers to', async () => {
  const tables = await asSystem(
    database,
    `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition`,
  )
  assert.deepEqual(
    tables.map(({ name }) => String(name)).toSorted(),
    [...backedUp, ...Object.keys(leftOut)].toSorted(),
  )
  const references = await asSystem(
    database,
    `select conrelid::regclass::text as from, confrelid::regclass::text as to from pg_constraint where contype = 'f' and conparentid = 0`,
  )
  const place = (table: unknown): number => backedUp.findIndex((each) => each === table)
  assert.deepEqual(
    references.filter(({ from, to }) => place(from) >= 0 && place(to) > place(from)),
    [],
  )
})

test('a restored database has every row unchanged, and works from there', async () => {
  const file = join(dir, 'whole')
  const made = await anchorage(database, 'backup', file, '--json')
  assert.equal(made.code, 0, made.stderr)
  assert.equal(JSON.parse(made.stdout).rows.pins, 1_503)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(dir), ['whole'])

  await using other = await testDatabase()
  const restored = await anchorage(other, 'restore', file)
  assert.equal(restored.code, 0, restored.stderr)
  assert.match(restored.stdout, /^1503 pins of 2 orgs are restored/)
  for (const table of backedUp) {
    if (table === 'nodes' || table === 'audit_log') continue
    const ignored = table === 'plans' ? 'state' : 'unpin_after'
    const rows = `select to_jsonb(t) - '${ignored}' as row from ${table} t order by to_jsonb(t)::text`
    const were = await asSystem(database, rows)
    assert.ok(were.length > 0, table)
    assert.deepEqual(await asSystem(other, rows), were, table)
  }
  const audit = `select t as row from audit_log t where action <> 'restore' order by at, id`
  assert.deepEqual(await asSystem(other, audit), await asSystem(database, audit))
  assert.deepEqual(await asSystem(other, 'select state from plans'), [{ state: 'paused' }])
  assert.deepEqual(await asSystem(other, 'select 1 from sessions'), [])
  assert.equal((await goesOn(other)).count, 1_503)
})

test('after a restore no number from after the backup is used again, and claims from before it are void', async () => {
  const file = join(dir, 'numbers')
  await anchorage(database, 'backup', file)
  const [claimed] = await store.placements.claim(node, await store.placements.due(node, 1, 1), 30_000)
  assert.ok(claimed)
  const again = await store.nodes.boot('node-1')
  const epoch = await nextEpoch(store)
  await using other = await testDatabase()
  await anchorage(other, 'restore', file)
  await using its = openStore({ ...other, log: silentLog })
  assert.ok(numberOf(await nextEpoch(its)) > numberOf(epoch))
  assert.equal(await its.nodes.see(again, { usedBytes: null, capacityBytes: null }), false)
  assert.ok((await its.nodes.boot('node-1')).incarnation > again.incarnation)
  const largest = 'select max(generation) as n from placements'
  const [was] = await asSystem(database, largest)
  await its.pins.acceptPins(org, [pin('after')], false)
  const [is] = await asSystem(other, largest)
  assert.ok(Number(is?.n) > Number(was?.n))
  node = again
})

test('content that waits to be unpinned waits just as long after a restore', async () => {
  const file = join(dir, 'grace')
  const left = `select extract(epoch from unpin_after - now())::float as s from contents where cid = 'gone'`
  await asSystem(database, `update contents set unpin_after = now() + interval '10 min' where cid = 'gone'`)
  await anchorage(database, 'backup', file)
  const lines = linesOf(await readFile(file))
  // as if the backup had been taken a day ago
  const dayAgo = (time: string) => new Date(Date.parse(time) - 86_400_000).toISOString()
  const old = lines.map((line) =>
    line.replace(/"takenAt":"([^"]+)"|"unpin_after":"([^"]+)"/g, (all, taken?: string, unpin?: string) =>
      all.replace(taken ?? unpin ?? '', dayAgo(taken ?? unpin ?? '')),
    ),
  )
  await writeFile(file, sealed(old))
  await using other = await testDatabase()
  assert.equal((await anchorage(other, 'restore', file)).code, 0)
  const [row] = await asSystem(other, left)
  assert.ok(Number(row?.s) > 500 && Number(row?.s) <= 600, String(row?.s))
})

test('a restore into a database that is not empty is refused and changes nothing', async () => {
  const file = join(dir, 'refused')
  await anchorage(database, 'backup', file)
  await asSystem(database, `update nodes set last_seen = now() - interval '1 min'`)
  const before = await asSystem(database, 'select count(*) from pins')
  const { code, stderr } = await anchorage(database, 'restore', file)
  assert.equal(code, 1)
  assert.match(stderr, /already rows in orgs, .*pins.*: restore into a new database/)
  assert.deepEqual(await asSystem(database, 'select count(*) from pins'), before)
})

test('a backup that is cut off, changed, of another schema or not a backup at all is refused, and nothing is restored', async () => {
  const file = join(dir, 'damaged')
  await anchorage(database, 'backup', file)
  const whole = await readFile(file)
  const lines = linesOf(whole)
  await using other = await testDatabase()
  const refused = async (bytes: Uint8Array, why: RegExp): Promise<void> => {
    await writeFile(file, bytes)
    const { code, stderr } = await anchorage(other, 'restore', file)
    assert.deepEqual([code, why.test(stderr)], [2, true], stderr)
    assert.deepEqual(await asSystem(other, 'select 1 from orgs union all select 1 from nodes'), [])
  }
  await refused(whole.subarray(0, whole.length / 2), /cannot be read as a backup/)
  await refused(gzipSync(lines.slice(0, -1).join('\n') + '\n'), /its end is missing/)
  await refused(gzipSync(lines.join('\n').slice(0, -9)), /cannot be read as a backup/)
  await refused(
    gzipSync(lines.map((line) => line.replace('"dag_size":5', '"dag_size":6')).join('\n') + '\n'),
    /its checksum is wrong/,
  )
  await refused(sealed(lines.map((line) => line.replace('"format":1', '"format":2'))), /format 2/)
  await refused(
    sealed(lines.filter((line) => !line.includes('"c7"'))),
    /damaged: it has \d+ rows of \w+, but says that it has \d+/,
  )
  await refused(
    sealed(lines.map((line) => line.replace('"table":"plans"', '"table":"cluster"'))),
    /no table cluster/,
  )
  await refused(gzipSync('{"name":"something else"}\n'), /not a backup of anchorage/)
  await refused(Buffer.from('not compressed'), /cannot be read as a backup/)
  await writeFile(file, whole)
  assert.equal((await anchorage(other, 'restore', file)).code, 0)
})

test('a backup of an older schema is refused, with the version that made it', async () => {
  const file = join(dir, 'older')
  await anchorage(database, 'backup', file)
  await using other = await testDatabase()
  const lines = linesOf(await readFile(file))
  const [older, newer] = [codeLevel - 1, codeLevel + 1].map((level) =>
    sealed(lines.map((line) => line.replace(/"level":\d+(?=,"clusterId")/, `"level":${level}`))),
  )
  await writeFile(file, older ?? '')
  assert.match(
    (await anchorage(other, 'restore', file)).stderr,
    /use the version of anchorage that made it \(\d/,
  )
  await writeFile(file, newer ?? '')
  assert.match((await anchorage(other, 'restore', file)).stderr, /run: anchorage migrate up/)
})

test('a restore with another master key is refused, and no secret is in the file', async () => {
  const file = join(dir, 'keys')
  await anchorage(database, 'backup', file)
  const text = linesOf(await readFile(file)).join('\n')
  assert.equal(text.match(/"wrapped":"\\\\x[0-9a-f]{120}"/g)?.length, 1)
  assert.ok(![master, secret].some((bytes) => text.includes(bytes.toString('hex'))))
  await using other = await testDatabase()
  const wrong = await anchorage(other, 'restore', file, {
    ANCHORAGE_AUTH_MASTER_KEY: base64(randomBytes(32)),
  })
  assert.deepEqual(
    [wrong.code, /auth\.masterKey cannot decrypt the signing key key_\w+/.test(wrong.stderr)],
    [2, true],
  )
  assert.deepEqual(await asSystem(other, 'select 1 from orgs union all select 1 from nodes'), [])
  assert.equal((await anchorage(other, 'restore', file)).code, 0)
})

test('a live node on the database is named, and nothing is restored beside it', async () => {
  const file = join(dir, 'alive')
  await anchorage(database, 'backup', file)
  await using other = await testDatabase()
  await using its = openStore({ ...other, log: silentLog })
  await its.nodes.boot('node-7')
  const { code, stderr } = await anchorage(other, 'restore', file)
  assert.deepEqual([code, /node-7 uses this database: stop the nodes/.test(stderr)], [1, true], stderr)
})

test('each restore marks the database with a new mark, and a reconciler changes nothing until an operator confirms', async () => {
  const file = join(dir, 'mark')
  await anchorage(database, 'backup', file)
  assert.equal((await store.marks.read(node, [])).confirmed, true)
  const marks = new Set<string>()
  for (let n = 0; n < 2; n++) {
    await using other = await testDatabase()
    const said = JSON.parse((await anchorage(other, 'restore', file, '--json')).stdout)
    const [cluster] = await asSystem(other, 'select restore_id, restored_at from cluster')
    assert.deepEqual([cluster?.restore_id, cluster?.restored_at instanceof Date], [said.restoreId, true])
    marks.add(said.restoreId)
    await using its = openStore({ ...other, log: silentLog })
    const same = await its.nodes.boot('node-1')
    assert.equal((await its.marks.read(same, [])).confirmed, false)
    await its.operator.confirmReconcile(same.nodeId, 'test')
    assert.equal((await its.marks.read(same, [])).confirmed, true)
    // a restore of the restored database has to be confirmed again
    const again = join(dir, `mark-${n}`)
    assert.equal((await anchorage(other, 'backup', again)).code, 0)
    await using third = await testDatabase()
    assert.equal((await anchorage(third, 'restore', again)).code, 0)
    await using thirds = openStore({ ...third, log: silentLog })
    assert.equal((await thirds.marks.read(await thirds.nodes.boot('node-1'), [])).confirmed, false)
  }
  assert.equal(marks.size, 2)
})

test('an unknown table makes a backup fail', async () => {
  await using other = await testDatabase()
  const owner = new pg.Client({ connectionString: other.ownerUrl })
  await owner.connect()
  await owner.query('create table stray (x int)')
  await owner.end()
  const { code, stderr } = await anchorage(other, 'backup', join(dir, 'stray'))
  assert.deepEqual([code, /not anchorage's: stray/.test(stderr)], [2, true], stderr)
})

test('a backup fails when the stored counts differ from the pins, and leaves no file', async () => {
  const file = join(dir, 'wrong')
  for (const table of [
    'pin_counts set n = n + 1',
    'org_usage set bytes = bytes + 1',
    'org_usage set reserved = reserved + 1',
  ]) {
    await asSystem(database, `update ${table}`)
    const { code, stderr } = await anchorage(database, 'backup', file)
    assert.deepEqual(
      [code, /the stored counts of \d orgs differ from their pins/.test(stderr)],
      [1, true],
      stderr,
    )
    await asSystem(database, `update ${table.replace('+', '-')}`)
  }
  const asTenant = { ...database, systemUrl: database.tenantUrl }
  assert.match((await anchorage(asTenant, 'backup', file)).stderr, /not a member of anchorage_system/)
  assert.deepEqual(
    (await readdir(dir)).filter((name) => name.startsWith('wrong')),
    [],
  )
})

test('admin recount lists wrong counts and exits with 1; with --apply it corrects them, and a backup works again', async () => {
  await using other = await testDatabase()
  await anchorage(other, 'admin', 'create-org', 'counted')
  await asSystem(other, `insert into org_usage (org_id, bytes) select id, 5 from orgs`)
  const wrong = await anchorage(other, 'admin', 'recount')
  assert.match(wrong.stdout, /^OF +COUNTER +WHICH +STORED +COUNTED\ncounted +bytes +5 +0\n$/)
  assert.deepEqual(
    [wrong.code, wrong.stderr],
    [1, 'wrong counts: 1; anchorage admin recount --apply corrects them\n'],
  )
  const applied = await anchorage(other, 'admin', 'recount', '--apply', '--json')
  assert.equal(applied.code, 0, applied.stderr)
  assert.partialDeepStrictEqual(JSON.parse(applied.stdout), {
    wrong: 1,
    corrected: 1,
    results: [{ name: 'counted', counter: 'bytes', key: {}, kept: 5, counted: 0 }],
  })
  const right = await anchorage(other, 'admin', 'recount')
  assert.deepEqual(
    [right.code, right.stdout],
    [0, 'all stored counts of 1 orgs, 0 nodes and 0 plans are right\n'],
  )
  assert.equal((await anchorage(other, 'backup', join(dir, 'recounted'))).code, 0)
})

test('migrate status says what is wrong, beside what is applied', async () => {
  await using other = await testDatabase()
  assert.deepEqual(await anchorage(other, 'migrate', 'status').then(({ code, stderr }) => [code, stderr]), [
    0,
    '',
  ])
  const owner = new pg.Client({ connectionString: other.ownerUrl })
  await owner.connect()
  await owner.query('revoke insert on pins from anchorage_tenant')
  await owner.end()
  const { code, stdout, stderr } = await anchorage(other, 'migrate', 'status', '--json')
  const wrong = 'wrong: missing: anchorage_tenant may insert on pins'
  assert.deepEqual([code, JSON.parse(stderr)], [1, { error: { reason: 'CONFLICT', details: wrong } }])
  assert.equal((await anchorage(other, 'migrate', 'status')).stderr, `${wrong}\n`)
  const folders = ['../../migrations/', '../store/functions/'].map((path) => new URL(path, import.meta.url))
  const files = await Promise.all(folders.map((folder) => readdir(folder)))
  assert.equal(JSON.parse(stdout).length, files.flat().length)
})

test('a backup overwrites nothing, and a backup that cannot be written leaves no file', async () => {
  const file = join(dir, 'there')
  await writeFile(file, 'mine')
  const { code, stderr } = await anchorage(database, 'backup', file)
  assert.deepEqual([code, stderr.includes('does not overwrite files')], [1, true], stderr)
  assert.equal(await readFile(file, 'utf8'), 'mine')
  const nowhere = await anchorage(database, 'backup', join(dir, 'no', 'such', 'folder'))
  assert.equal(nowhere.code, 1)
})

test('a backup shows one moment, while pins are added and removed', async () => {
  const file = join(dir, 'load')
  const [was] = await asSystem(database, 'select count(*)::int as pins, max(seq) as seq from pins')
  let n = 0
  async function* disturbed(parts: AsyncIterable<BackupPart>): AsyncGenerator<BackupPart> {
    for await (const part of parts) {
      yield part
      const id = await accept(pin(`load-${++n}`), pin(`load-${n}-b`))
      if (n % 2 === 0) await store.pins.removePin(org, id, actor)
      await asSystem(database, `update placements set blocks = blocks + 1 where cid = 'c${n}'`)
    }
  }
  const write = (parts: AsyncIterable<BackupPart>) => writeBackupFile(file, disturbed(parts), signal)
  await readBackup(database.systemUrl, 'test', write, signal)
  await using other = await testDatabase()
  const restored = await anchorage(other, 'restore', file)
  assert.equal(restored.code, 0, restored.stderr)
  const [is] = await asSystem(other, 'select count(*)::int as pins, max(seq) as seq from pins')
  assert.deepEqual(is, was)
  assert.ok(n > backedUp.length)
  await goesOn(other)
})

/** Adds at least one row to every other table, with the kinds that are easily lost: unfinished, suspended, or without an end. */
async function fillTheRest(keyId: KeyId): Promise<void> {
  await accept(pin('arrives'))
  const jobs = (await store.placements.due(node, 9, 9)).filter(({ cid }) => cid === 'arrives')
  const [arriving] = await store.placements.claim(node, jobs, 30_000)
  await store.placements.extend(node, [{ ...(arriving ?? assert.fail()), blocks: 1, bytes: 77 }], 30_000)
  const [expiresAt, scopes] = [new Date('2099-01-01'), ['pins:read' as const]]
  for (const id of [mintId('tok'), actor])
    await store.tokens.insertToken({ id, orgId: org, keyId, name: 't', scopes, expiresAt, createdBy: null })
  await store.tokens.revokeToken(actor)
  const other = (await store.orgDirectory.createOrg('halted', {}, 'test')).id
  await store.pins.acceptPins(other, [pin('put-by')], false)
  for (const sql of [
    `update placements set next_attempt_at = 'infinity', retrying = true where cid = 'put-by'`,
    `update orgs set suspended_at = now(), suspended_reason = 'a "reason"' where slug = 'halted'`,
    `insert into users (id, issuer, subject, name) values (gen_random_uuid(), 'https://id', 's', 'Ünï')`,
    `insert into memberships (org_id, user_id, role, source) select o.id, u.id, 'owner', 'manual' from orgs o, users u`,
    `insert into sessions (id, hash, user_id, expires_at) select gen_random_uuid(), 'x', id, now() + interval '1 h' from users`,
    `insert into plans (id, actor, summary, state, whole, moves, bytes) values (gen_random_uuid(), 'op', '{"a": 1}', 'applying', true, 1, 1)`,
    `insert into plan_moves (plan_id, number, cid, from_node, to_node, bytes, reason)
       select p.id, 1, 'c1', n.id, n.id, 1, 'why' from plans p, nodes n`,
  ])
    await asSystem(database, sql)
}

function pin(cid: string, more: Partial<NewPin> = {}): NewPin {
  return { id: mintId('pin'), cid, cidText: cid, replicas: 1, actor, nodes: [node.nodeId], ...more }
}

/** Accepts the pins; returns the id of the first one. */
async function accept(...pins: NewPin[]) {
  for (const outcome of await store.pins.acceptPins(org, pins, false)) assert.ok('pin' in outcome)
  return pins[0]?.id ?? assert.fail('no pin')
}

/** Starts a node on a restored database, with another Kubo, accepts a pin, and finishes all work; then all counts agree. */
async function goesOn(on: TestDatabase) {
  await using its = openStore({ ...on, log: silentLog })
  assert.equal(await its.nodes.clusterId(), await store.nodes.clusterId())
  const same = await its.nodes.boot('node-1')
  assert.equal(same.nodeId, node.nodeId)
  while ((await its.nodes.voidClaims(same, 100)) > 0);
  await its.nodes.bindKubo(same, { peerId: 'new', multiaddrs: [] })
  await its.pins.acceptPins(org, [pin('later')], false)
  await asSystem(on, 'update contents set unpin_after = now() where unpin_after is not null')
  await settlePlacements(its, same, await nextEpoch(its), () => 5)
  await assertAgreement(on.systemUrl)
  return await its.pins.listPins(org, { limit: 1 })
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

/** A backup of these lines, with a digest that matches them. */
function sealed(lines: string[]): Uint8Array {
  const before = lines
    .slice(0, -1)
    .map((line) => `${line}\n`)
    .join('')
  const sha256 = createHash('sha256').update(before).digest('hex')
  const end = (lines.at(-1) ?? '').replace(/"sha256":"\w+"/, `"sha256":"${sha256}"`)
  return gzipSync(`${before}${end}\n`)
}

function linesOf(file: Uint8Array): string[] {
  return gunzipSync(file).toString().trimEnd().split('\n')
}

async function asSystem(of: TestDatabase, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: of.systemUrl })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

async function anchorage(on: TestDatabase, ...given: (string | Record<string, string>)[]) {
  const argv = given.filter((word) => typeof word === 'string')
  const written = { stdout: '', stderr: '' }
  const code = await main(argv, {
    env: {
      ANCHORAGE_DATABASE_URL: on.tenantUrl,
      ANCHORAGE_DATABASE_SYSTEM_URL: on.systemUrl,
      ANCHORAGE_DATABASE_OWNER_URL: on.ownerUrl,
      ANCHORAGE_LOG_LEVEL: 'error',
      ANCHORAGE_AUTH_MASTER_KEY: base64(master),
      ...given.find((word) => typeof word !== 'string'),
    },
    out: (text) => (written.stdout += text),
    err: (text) => (written.stderr += text),
    terminal: null,
    signal,
  })
  return { code, ...written }
}

import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import pg from 'pg'
import { until } from '../../testing/settle.ts'
import { assertAgreement } from '../../testing/database/agreement.ts'
import { testStore } from '../../testing/database/test-store.ts'
import { mintId, uuidOf, type NodeId, type OrgId } from '../core/ids.ts'
import type { NewPin, Pin, PinQuery } from '../core/pin.ts'
import { fold } from './text.ts'

const actor = mintId('tok')
/** More pins than an org has before its names are noted. */
const many = 3_100
const words = ['backup', 'Straße', 'ΟΔΥΣΣΕΥΣ', '日本語文書', '100%_done\\', 'a\u0000b\u0001c', 'x', '']

const { database, store, system } = await testStore()
let org: OrgId
let other: OrgId
/** The org's pins as searches should find them, newest first. */
let pins: NewPin[] = []
let nodeId: NodeId

before(async () => {
  nodeId = (await store.nodes.boot('node')).nodeId
  org = (await store.orgDirectory.createOrg('names', {}, 'operator')).id
  other = (await store.orgDirectory.createOrg('others', {}, 'operator')).id
  await accept(
    org,
    Array.from({ length: many }, (_, n) => newPin(n)),
  )
})

function newPin(n: number): NewPin {
  const name = n % 5 === 0 ? {} : { name: `${words[n % words.length]} ${n} ${words[(n * 7) % words.length]}` }
  const meta = { third: String(n % 3) }
  return {
    id: mintId('pin'),
    cid: `c${n}`,
    cidText: `c${n}`,
    replicas: null,
    actor,
    nodes: [nodeId],
    meta,
    ...name,
  }
}

async function accept(orgId: OrgId, fresh: NewPin[]): Promise<void> {
  for (let n = 0; n < fresh.length; n += 500)
    await store.pins.acceptPins(orgId, fresh.slice(n, n + 500), false)
  if (orgId === org) pins = [...fresh.toReversed(), ...pins]
}

/** How many names of the org are not noted. */
async function behind(): Promise<number> {
  await system.query(`select set_config('anchorage.org_id', $1, false)`, [uuidOf(org)])
  const { rows } = await system.query('select behind::int from names_noted()')
  return rows[0].behind
}

const searches: [name: string, match: 'partial' | 'ipartial', more?: Partial<PinQuery>][] = [
  ['backup', 'partial'],
  ['BACKUP', 'ipartial'],
  ['BACKUP', 'partial'],
  ['backup 999', 'partial'],
  ['STRASSE', 'ipartial'],
  ['traße 1', 'partial'],
  ['οδυσσεύς', 'ipartial'],
  ['οδυσσευς', 'ipartial'],
  ['ΔΥΣΣ', 'partial'],
  ['本語文', 'partial'],
  ['100%', 'partial'],
  ['%_done\\', 'ipartial'],
  ['a\u0000b', 'partial'],
  ['9 ', 'partial'],
  ['nothing', 'partial'],
  ['done', 'partial', { meta: { third: '1' } }],
  ['done', 'partial', { statuses: ['failed'] }],
  ['done', 'partial', { statuses: ['queued'] }],
  ['done', 'partial', { cids: ['c4', 'c12', 'c20'] }],
]

function matches(pin: NewPin, [part, match, more]: (typeof searches)[number]): boolean {
  const name = pin.name ?? null
  return (
    name !== null &&
    (match === 'partial' ? name.includes(part) : fold(name).includes(fold(part))) &&
    (more?.meta === undefined || pin.meta?.third === more.meta.third) &&
    (more?.cids === undefined || more.cids.includes(pin.cid)) &&
    more?.statuses?.[0] !== 'failed'
  )
}

async function assertFound(): Promise<void> {
  for (const search of searches) {
    const [name, match, more] = search
    const wanted = pins.filter((pin) => matches(pin, search)).map((pin) => pin.id)
    const ask = (query: Partial<PinQuery>) =>
      store.pins.listPins(org, { limit: 1000, name, match, ...more, ...query })
    const page = await ask({})
    const ids = (found: Pin[]) => found.map((pin) => pin.id)
    assert.equal(page.count, wanted.length, `${match} ${name}`)
    assert.deepEqual(ids(page.results), wanted.slice(0, 1000), `${match} ${name}`)
    const middle = page.results[page.results.length >> 1]
    if (middle === undefined) continue
    const older = await ask({ before: middle.created.getTime() })
    assert.equal(older.count, wanted.length - wanted.indexOf(middle.id) - 1, `${match} ${name}, older`)
    const newer = await ask({ after: middle.created.getTime() })
    assert.equal(newer.count, wanted.indexOf(middle.id), `${match} ${name}, newer`)
  }
}

test('a search finds the same pins before names are noted, with all names noted, and after some pins came or went', async () => {
  assert.equal(await behind(), many)
  await store.pins.listPins(org, { limit: 1, name: 'backup' })
  await store.pins.listPins(org, { limit: 1, name: 'ba', match: 'partial' })
  assert.equal(await behind(), many, 'no search that finds by name')
  await assertFound()
  await until('the names are noted', async () => (await behind()) === 0)
  await assertFound()

  await accept(
    org,
    Array.from({ length: 500 }, (_, n) => newPin(many + n)),
  )
  const gone = new Set(pins.filter((_, n) => n % 100 === 0).map((pin) => pin.id))
  for (const id of gone) await store.pins.removePin(org, id, actor)
  pins = pins.filter((pin) => !gone.has(pin.id))
  assert.equal(await behind(), 500)
  await assertFound()
  await assertAgreement(database.systemUrl)
})

test('another org finds none of these names, noted or not', async () => {
  await accept(other, [newPin(1)])
  const { count } = await store.pins.listPins(other, { limit: 10, name: 'backup', match: 'partial' })
  assert.equal(count, 0)
  const tenant = new pg.Client({ connectionString: database.tenantUrl })
  await tenant.connect()
  try {
    await tenant.query(`select set_config('anchorage.org_id', $1, false)`, [uuidOf(other)])
    assert.equal((await tenant.query(`select named_like('backup', null)`)).rowCount, 0)
    await assert.rejects(tenant.query('select from pin_names'), /permission denied/)
    await assert.rejects(tenant.query('select from name_marks'), /permission denied/)
  } finally {
    await tenant.end()
  }
})

test('a part of a name is found by the index of names', async () => {
  await system.query(`set anchorage.part = 'backup'; set enable_bitmapscan = on`)
  const { rows } = await system.query(`explain select seq from pin_names
    where org_id = current_org() and folded like '%' || current_setting('anchorage.part') || '%'`)
  assert.match(JSON.stringify(rows), /Bitmap Index Scan on pin_names_by_part/)
})

test('a pin that is removed while its name is being noted leaves no noted name', async () => {
  const [tenant, remover] = [database.tenantUrl, database.systemUrl].map(
    (connectionString) => new pg.Client({ connectionString }),
  ) as [pg.Client, pg.Client]
  await Promise.all([tenant.connect(), remover.connect()])
  try {
    const pin = pins.find(({ name }) => name !== undefined) ?? assert.fail('no pin has a name')
    await remover.query('begin')
    await remover.query('delete from pins where id = $1', [uuidOf(pin.id)])
    await tenant.query(`select set_config('anchorage.org_id', $1, false)`, [uuidOf(org)])
    const [{ pid }] = (await tenant.query('select pg_backend_pid() as pid')).rows
    const noting = tenant.query('select note_names(100000)')
    const waits = 'select from pg_locks where pid = $1 and not granted'
    await until('it waits for the pin', async () => ((await system.query(waits, [pid])).rowCount ?? 0) > 0)
    await remover.query('commit')
    await noting
    const left = await system.query('select from pin_names where pin_id = $1', [uuidOf(pin.id)])
    assert.equal(left.rowCount, 0)
    const noted = await system.query('select from pin_names where org_id = $1', [uuidOf(org)])
    assert.equal(noted.rowCount, pins.filter(({ id, name }) => name !== undefined && id !== pin.id).length)
  } finally {
    await Promise.all([tenant.end(), remover.end()])
  }
})

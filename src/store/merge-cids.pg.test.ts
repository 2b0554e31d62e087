import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { mintId, uuidOf, type NodeId, type OrgId, type PinId } from '../core/ids.ts'
import { assertAgreement } from '../../testing/database/agreement.ts'
import { testDatabase, type TestDatabase } from '../../testing/servers/postgres.ts'
import { openStore, type Store } from './store.ts'
import { silentLog } from '../core/silent-log.ts'

const actor = mintId('tok')
const usual = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
const capital = usual.replace('akis', 'AkiS')
const padded = `${usual}=`
const alone = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'
const other = 'bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am'

let database: TestDatabase
let store: Store
let owner: pg.Client
let system: pg.Client
let orgs: OrgId[]
let nodes: NodeId[]

before(async () => {
  database = await testDatabase()
  store = openStore({ ...database, log: silentLog, unpinGraceMs: 0 })
  owner = new pg.Client({ connectionString: database.ownerUrl })
  system = new pg.Client({ connectionString: database.systemUrl })
  await Promise.all([owner.connect(), system.connect()])
  orgs = [
    (await store.tenants.createOrg('one', {}, 'operator')).id,
    (await store.tenants.createOrg('two', {}, 'operator')).id,
  ]
  nodes = [(await store.nodes.boot('n1')).nodeId, (await store.nodes.boot('n2')).nodeId]
})
after(async () => {
  await Promise.all([owner.end(), system.end()])
  await store[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

test('contents that were kept under several spellings of one CID become one, with all of their pins and copies', async () => {
  const [one, two] = orgs
  assert.ok(one && two)
  await owner.query('alter table contents drop constraint cid_is_lower_case')
  const pins = {
    usual: await accept(one, usual),
    capital: await accept(two, capital),
    padded: await accept(two, padded, 'bafkrei-as-sent'),
    alone: await accept(one, `${alone}==`),
  }
  const [held] = await store.pins.acceptPins(one, [newPin(capital)], false)
  assert.ok(held && 'pin' in held)
  await system.query(`update placements set state = 'pinned' where cid = $1`, [capital])
  await system.query('select fold_contents(array[$1])', [capital])
  const replaced = newPin(other)
  await store.pins.replacePin(one, held.pin.id, replaced, false)
  await system.query(`update placements set state = 'pinned' where cid <> $1`, [other])
  await system.query('update contents set dag_size = 5 where cid = $1', [capital])
  await system.query(
    `select fold_contents(array(select cid from contents where cid = c)) from unnest($1::text[]) c`,
    [[usual, capital, padded]],
  )

  await owner.query(await readFile(new URL('../../migrations/0010_cids.sql', import.meta.url), 'utf8'))

  await assertAgreement(database.systemUrl)
  const { rows: contents } = await system.query(
    'select cid, dag_size::int, unsettled from contents order by cid',
  )
  assert.deepEqual(contents, [
    { cid: other, dag_size: null, unsettled: false },
    { cid: usual, dag_size: 5, unsettled: true },
    { cid: alone, dag_size: null, unsettled: true },
  ])
  const { rows: copies } = await system.query(
    `select cid, node_id = $1 as first, state, verify from placements where cid <> $2 order by cid, 2 desc`,
    [uuidOf(nodes[0] ?? mintId('nod')), other],
  )
  assert.deepEqual(copies, [
    { cid: usual, first: true, state: 'queued', verify: true },
    { cid: alone, first: true, state: 'queued', verify: true },
  ])
  // as the client sent it
  assert.equal((await store.pins.getPin(one, pins.usual)).cid, usual)
  assert.equal((await store.pins.getPin(two, pins.capital)).cid, capital)
  assert.equal((await store.pins.getPin(two, pins.padded)).cid, 'bafkrei-as-sent')
  assert.equal((await store.pins.getPin(one, pins.alone)).cid, `${alone}==`)
  const { results } = await store.pins.listPins(two, { cids: [usual], limit: 10 })
  assert.deepEqual(
    results.map(({ id, status }) => [id, status]),
    [pins.padded, pins.capital].map((id) => [id, 'queued']),
  )
  const { rows: holds } = await system.query('select holds from pins where id = $1', [uuidOf(replaced.id)])
  assert.deepEqual(holds, [{ holds: [usual] }])

  await assert.rejects(accept(one, capital), (error) => /refused a statement/.test(String(error)))
})

async function accept(org: OrgId, cid: string, cidText = cid): Promise<PinId> {
  const [accepted] = await store.pins.acceptPins(org, [newPin(cid, cidText)], false)
  assert.ok(accepted && 'pin' in accepted)
  return accepted.pin.id
}

function newPin(cid: string, cidText = cid) {
  return { id: mintId('pin'), cid, cidText, replicas: 1, actor, nodes: nodes.slice(0, 1) }
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCode } from '../core/errors.ts'
import { mintId, type OrgId } from '../core/ids.ts'
import type { PinPage, PinQuery } from '../core/pin.ts'
import { connectionsPerRole } from './connections.ts'
import type { PageSize } from './list-pins.ts'
import { listTurns } from './list-turns.ts'

const page: PinPage = { count: 0, results: [] }
const plain: PinQuery = { limit: 10, statuses: ['pinned'] }
const search: PinQuery = { limit: 10, name: 'x', match: 'partial' }
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Lists that run until the test ends them, and which org's lists are running. */
function lists(perOrg: number) {
  const inTurn = listTurns(perOrg)
  const under: {
    orgId: OrgId
    query: PinQuery
    size: PageSize
    end: (found?: PinPage | null) => void
  }[] = []
  return {
    ask: (orgId: OrgId, query: PinQuery, signal?: AbortSignal) =>
      inTurn(
        orgId,
        query,
        (size) =>
          new Promise((resolve) => under.push({ orgId, query, size, end: (found = page) => resolve(found) })),
        signal,
      ),
    of: (orgId: OrgId) => under.filter((each) => each.orgId === orgId),
    under,
  }
}

test('however much an org searches, half of its lists and half of the connections stay free', async () => {
  const { ask, of, under } = lists(4)
  const orgs = [mintId('org'), mintId('org'), mintId('org'), mintId('org')]
  const [loud = mintId('org'), ...others] = orgs
  for (let n = 0; n < 50; n++) void ask(loud, search)
  await turn()
  assert.equal(of(loud).length, 2)
  void ask(loud, plain)
  await turn()
  assert.equal(of(loud).length, 3)
  for (const orgId of others) for (let n = 0; n < 50; n++) void ask(orgId, search)
  await turn()
  assert.equal(under.filter(({ query }) => query === search).length, connectionsPerRole / 2)
  void ask(mintId('org'), plain)
  await turn()
  assert.equal(under.at(-1)?.query, plain)
})

test('lists of one org run a few at a time, and leave connections for other requests', async () => {
  const { ask, of, under } = lists(4)
  const loud = mintId('org')
  for (let n = 0; n < 50; n++) void ask(loud, plain)
  await turn()
  assert.equal(of(loud).length, 4)
  of(loud)[0]?.end()
  await turn()
  assert.equal(of(loud).length, 5)
  for (let n = 0; n < 10; n++) void ask(mintId('org'), plain)
  await turn()
  assert.equal(under.length - 1, (connectionsPerRole * 3) / 4)
})

test('a client that hangs up while it waits asks Postgres nothing, and too many waiting lists are refused', async () => {
  const { ask, of } = lists(1)
  const loud = mintId('org')
  void ask(loud, plain)
  const gone = new AbortController()
  const waiting = ask(loud, plain, gone.signal)
  gone.abort(new Error('hung up'))
  await assert.rejects(waiting, /hung up/)
  for (let n = 0; n < 200; n++) void ask(loud, plain)
  await assert.rejects(
    ask(loud, plain),
    (error) => isCode(error, 'too_many') && /lists of one org/.test(error.message),
  )
  assert.equal(of(loud).length, 1)
})

test('pages that turn out to be large are read again one at a time, and orgs take turns', async () => {
  const { ask, of, under } = lists(4)
  const [loud, other] = [mintId('org'), mintId('org')]
  const pages = [plain, plain, search, { limit: 1000 }].map((query) => ask(loud, query))
  await turn()
  assert.deepEqual(
    of(loud).map(({ size }) => size),
    ['small', 'small', 'small', 'any'],
  )
  for (const each of of(loud).slice(0, 3)) each.end(null)
  const theirs = ask(other, { limit: 1000 })
  await turn()
  assert.equal(under.length, 4)
  void ask(mintId('org'), plain)
  await turn()
  assert.deepEqual([under.length, under.at(-1)?.size], [5, 'small'])

  under[3]?.end()
  for (const orgId of [other, loud, loud, loud]) {
    await turn()
    const last = under.at(-1)
    assert.deepEqual([last?.orgId, last?.size], [orgId, 'any'])
    last?.end()
  }
  assert.deepEqual(
    await Promise.all([...pages, theirs]),
    Array.from({ length: 5 }, () => page),
  )
})

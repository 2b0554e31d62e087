import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnchorageError } from '../core/errors.ts'
import { mintId } from '../core/ids.ts'
import { cid, fakeServer, memoryLog, verifyFake, type FakeServer } from '../../testing/fakes/http-server.ts'
import { tally } from './refusals.ts'

/** The lines about refusals. Closes the server first, which logs what has been counted. */
async function told({ app, log }: FakeServer) {
  await app.close()
  const lines = log.lines.filter(({ message }) =>
    ['requests were refused', 'a limit was met'].includes(message),
  )
  assert.ok(lines.every(({ level }) => level === 'info'))
  return lines.map(({ fields }) => fields)
}

test('refusals are logged in one line per source, reason and minute, with the count and without a secret', async () => {
  const server = fakeServer()
  const ask = (remoteAddress: string, authorization: string, method: 'GET' | 'POST' = 'GET') =>
    server.app.inject({ url: '/v1/pins', method, remoteAddress, headers: { authorization } })
  for (let n = 0; n < 3; n++) await ask('198.51.100.7', `Bearer hunter2-${n}`)
  await ask('198.51.100.8', 'Bearer hunter2')
  await ask('198.51.100.8', 'Bearer pins:read')
  assert.equal((await ask('198.51.100.8', 'Bearer pins:read', 'POST')).statusCode, 403)
  const lines = await told(server)
  assert.deepEqual(lines.slice(0, 2), [
    { status: 401, address: '198.51.100.7', count: 3 },
    { status: 401, address: '198.51.100.8', count: 1 },
  ])
  assert.equal(lines.length, 3)
  assert.partialDeepStrictEqual(lines[2], { status: 403, address: '198.51.100.8', count: 1 })
  assert.match(JSON.stringify(lines[2]), /"actor":"tok_\w+","orgId":"org_\w+"/)
  assert.doesNotMatch(JSON.stringify(server.log.lines), /hunter2/)
})

test('a limit that an org reached is logged in one line per org, whatever tokens it used', async () => {
  const orgId = mintId('org')
  const server = fakeServer({
    rateLimits: {
      signInPerAddress: 10,
      anonymousPerAddress: 2,
      anonymous: 120,
      perCaller: 1_000,
      perOrg: 6,
      atOncePerOrg: 64,
    },
    verify: async (bearer) => ({ ...(await verifyFake(bearer)), orgId }),
  })
  const refusals = [
    new AnchorageError('over_quota', 'this org may have 5 pins and has 5', { bound: 'pins of one org' }),
    new AnchorageError('invalid', 'meta: its keys and values have 9 bytes', {
      bound: 'bytes of the meta of a pin',
    }),
    new AnchorageError('conflict', 'no limit at all'),
  ]
  server.pins.create = async () => Promise.reject(refusals.shift() ?? new Error('nothing more'))
  const post = (payload: string) =>
    server.app.inject({
      method: 'POST',
      url: '/v1/pins',
      headers: { authorization: 'Bearer all', 'content-type': 'application/json' },
      payload,
    })
  for (let n = 0; n < 3; n++) await post(JSON.stringify({ cid }))
  assert.equal((await post(`"${'x'.repeat(300_000)}"`)).statusCode, 413)
  for (const bearer of ['all', 'pins:read', 'pins:read', 'all'])
    await server.app.inject({ url: '/v1/pins', headers: { authorization: `Bearer ${bearer}` } })
  for (let n = 0; n < 3; n++) await server.app.inject({ url: '/v1/pins', remoteAddress: '198.51.100.8' })
  const lines = await told(server)
  assert.deepEqual(
    lines.map((line) => ({ ...line, actor: undefined })),
    [
      { status: 409, bound: 'pins of one org', address: '127.0.0.1', orgId, count: 1 },
      { status: 400, bound: 'bytes of the meta of a pin', address: '127.0.0.1', orgId, count: 1 },
      { status: 413, bound: 'bytes of a body', address: '127.0.0.1', orgId, count: 1 },
      { status: 429, bound: 'requests of one org', address: '127.0.0.1', orgId, count: 2 },
      { status: 401, address: '198.51.100.8', count: 2 },
      {
        status: 429,
        bound: 'requests without an access token from one address',
        address: '198.51.100.8',
        count: 1,
      },
    ].map((line) => ({ ...line, actor: undefined })),
  )
})

test('however many strangers are refused within a minute, the lines are bounded, and every refusal is counted', () => {
  const log = memoryLog()
  const refusals = tally(log)
  for (let n = 0; n < 5_000; n++) refusals.add({ status: 401, address: `2001:db8::${n}` })
  for (let n = 0; n < 10; n++) refusals.add({ status: 401, address: '2001:db8::0' })
  refusals.flush()
  assert.equal(log.lines.length, 1_001)
  const counts = log.lines.map(({ fields }) => Number(Reflect.get(fields, 'count')))
  assert.equal(
    counts.reduce((sum, n) => sum + n, 0),
    5_010,
  )
  assert.equal(counts[0], 11)
  assert.deepEqual(log.lines.at(-1)?.fields, { status: 401, count: 4_000 })
  refusals.flush()
  assert.equal(log.lines.length, 1_001, 'each is logged once')
})

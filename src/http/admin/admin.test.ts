import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { InjectOptions } from 'fastify'
import { fakeServer, type FakeServer } from '../../../testing/fakes/http-server.ts'

const operatorToken = { authorization: 'Bearer cluster:admin' }
const plan = 'pln_01h455vb4pex5vsknk084sn02q'

/** Every route once, with its input. */
const routes: (InjectOptions & { url: string })[] = [
  { url: '/v1/admin/nodes' },
  { url: '/v1/admin/nodes/anchor-1' },
  { method: 'POST', url: '/v1/admin/nodes/anchor-1/drain' },
  { method: 'POST', url: '/v1/admin/nodes/anchor-1/uncordon' },
  { url: '/v1/admin/maintenance' },
  { method: 'PUT', url: '/v1/admin/maintenance', payload: { reason: 'new switches' } },
  { method: 'DELETE', url: '/v1/admin/maintenance' },
  { method: 'POST', url: '/v1/admin/plans' },
  { url: '/v1/admin/plans' },
  { url: `/v1/admin/plans/${plan}` },
  { method: 'POST', url: `/v1/admin/plans/${plan}/apply` },
  { method: 'POST', url: `/v1/admin/plans/${plan}/pause` },
  { method: 'POST', url: `/v1/admin/plans/${plan}/cancel` },
  { method: 'POST', url: '/v1/admin/orgs/acme/suspend', payload: { reason: 'reported' } },
  { method: 'POST', url: '/v1/admin/orgs/acme/resume' },
  { method: 'POST', url: '/v1/admin/orgs/acme/remove', payload: { confirm: 'acme' } },
  { url: '/v1/admin/status' },
  { url: '/v1/admin/presences' },
  { url: '/v1/admin/caches' },
  { url: '/v1/admin/audit' },
]

async function ask({ app }: FakeServer, options: InjectOptions) {
  const response = await app.inject({ headers: operatorToken, ...options })
  assert.match(String(response.headers['content-type']), /^application\/json/)
  if (response.statusCode >= 400) {
    const { error } = response.json()
    assert.deepEqual(Object.keys(error), ['reason', 'details'])
  }
  return response
}

async function refused(server: FakeServer, options: InjectOptions, status: number, details: RegExp) {
  const response = await ask(server, options)
  const what = `${options.method ?? 'GET'} ${JSON.stringify(options.url)}: ${response.body}`
  assert.equal(response.statusCode, status, what)
  assert.match(response.json().error.details, details, what)
}

test('every admin route is in the document, and demands the scope cluster:admin before it reads anything else', async () => {
  const server = fakeServer()
  const document = (await server.app.inject('/v1/openapi.json')).json()
  const described = Object.entries<object>(document.paths)
    .filter(([path]) => path.startsWith('/v1/admin'))
    .flatMap(([, operations]) => Object.keys(operations))
  assert.equal(described.length, routes.length)
  for (const route of routes) {
    await refused(server, { ...route, headers: {} }, 401, /access token/)
    await refused(
      server,
      { ...route, headers: { authorization: 'Bearer pins:read+pins:write+pins:delete' } },
      403,
      /cluster:admin/,
    )
  }
  const bad = { authorization: 'Bearer pins:read', 'content-type': 'text/plain' }
  await refused(
    server,
    { method: 'PUT', url: '/v1/admin/maintenance', headers: bad, payload: '{' },
    403,
    /scope/,
  )
  assert.deepEqual(server.operator.calls, [])
})

test('an operator’s token may not read the pins of an org', async () => {
  await refused(fakeServer(), { url: '/v1/pins' }, 403, /pins:read/)
})

test('every answer matches its schema in the document', async () => {
  const server = fakeServer()
  const document = (await server.app.inject('/v1/openapi.json')).json()
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema({ $id: 'api', components: document.components })
  const { id } = (await ask(server, { method: 'POST', url: '/v1/admin/plans' })).json()
  server.fakeOrgs.newOrg('acme')
  for (const route of routes) {
    const url = route.url.replace(plan, id)
    const response = await ask(server, { ...route, url })
    const path = url.replace(id, '{id}').replace('anchor-1', '{id}').replace('acme', '{org}')
    const operation = document.paths[path][(route.method ?? 'GET').toLowerCase()]
    const schema = operation.responses[response.statusCode]?.content['application/json'].schema
    assert.ok(schema, `${path}: ${response.statusCode} ${response.body}`)
    const resolved = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/'))
    assert.ok(ajv.validate(resolved, response.json()), `${path}: ${ajv.errorsText()} ${response.body}`)
  }
})

test('a node is drained and uncordoned by name or by TypeID, and the audit names the token', async () => {
  const server = fakeServer()
  const drained = await ask(server, { method: 'POST', url: '/v1/admin/nodes/anchor-2/drain' })
  assert.equal(drained.statusCode, 202)
  const { id, state, left, moving, waits } = drained.json()
  assert.deepEqual([state, left, moving, waits], ['draining', 4, 2, null])
  const seen = await ask(server, { url: `/v1/admin/nodes/${id}` })
  assert.deepEqual([seen.json().name, seen.json().drain.left], ['anchor-2', 4])
  const back = await ask(server, { method: 'POST', url: `/v1/admin/nodes/${id}/uncordon` })
  assert.deepEqual([back.json().state, back.json().drain], ['active', null])
  const [call] = server.operator.calls
  assert.equal(call?.name, 'drain')
  assert.match(String(call?.arguments[1]), /^tok_/)
})

test('a node that has not reported yet is shown with what is known', async () => {
  const { results } = (await ask(fakeServer(), { url: '/v1/admin/nodes' })).json()
  assert.deepEqual(
    results.map(({ leads, version, reportedAt }: Record<string, unknown>) => [leads, version, reportedAt]),
    [
      [7, '1.2.3', '2026-01-01T00:00:00.000Z'],
      [null, null, null],
    ],
  )
})

test('missing things are answered with 404 and impossible changes with 409, both with the reason', async () => {
  const server = fakeServer()
  const { id } = (await ask(server, { method: 'POST', url: '/v1/admin/plans' })).json()
  await refused(server, { url: '/v1/admin/nodes/anchor-9' }, 404, /no such node/)
  await refused(server, { method: 'POST', url: '/v1/admin/nodes/%20/drain' }, 404, /no such node/)
  await refused(server, { url: '/v1/admin/plans/x' }, 404, /no plan/)
  await refused(server, { method: 'POST', url: `/v1/admin/plans/${plan}/apply` }, 404, /no such plan/)
  await ask(server, { method: 'POST', url: `/v1/admin/plans/${id}/cancel` })
  await refused(server, { method: 'POST', url: `/v1/admin/plans/${id}/apply` }, 409, /cancelled/)
  await refused(server, { url: '/v1/admin/nothing' }, 404, /nothing at this path/)
  await refused(server, { method: 'DELETE', url: '/v1/admin/nodes' }, 405, /accepts only GET/)
})

test('maintenance is set with a reason and an end, read, and ended', async () => {
  const server = fakeServer()
  const url = '/v1/admin/maintenance'
  const off = { on: false, reason: null, actor: null, since: null, until: null }
  assert.deepEqual((await ask(server, { url })).json(), off)
  const set = await ask(server, { method: 'PUT', url, payload: { reason: 'switches', ttlSeconds: 1800 } })
  assert.equal(set.statusCode, 200)
  assert.deepEqual((await ask(server, { url })).json(), set.json())
  const { on, reason, actor, until } = set.json()
  assert.deepEqual([on, reason, until], [true, 'switches', '2026-01-01T00:30:00.000Z'])
  assert.match(actor, /^tok_/)
  assert.deepEqual((await ask(server, { method: 'DELETE', url })).json(), off)
  for (const [payload, details] of [
    [undefined, /the body/],
    [{}, /reason/],
    [{ reason: '' }, /reason/],
    [{ reason: 'x', ttlSeconds: 0 }, /ttlSeconds/],
    [{ reason: 'x', ttlSeconds: '30m' }, /ttlSeconds: must be a whole number/],
  ] as const) {
    await refused(server, { method: 'PUT', url, ...(payload && { payload }) }, 400, details)
  }
})

test('the moves of a plan are listed page by page', async () => {
  const server = fakeServer()
  const made = await ask(server, { method: 'POST', url: '/v1/admin/plans' })
  assert.equal(made.statusCode, 201)
  const url = `/v1/admin/plans/${made.json().id}`
  const numbers = async (query: string) =>
    (await ask(server, { url: `${url}${query}` })).json().moves.map((move: { number: number }) => move.number)
  assert.deepEqual(await numbers(''), [1, 2, 3])
  assert.deepEqual(await numbers('?limit=2'), [1, 2])
  assert.deepEqual(await numbers('?limit='), [1, 2, 3])
  await refused(server, { url: `${url}?afternumber=2` }, 400, /^afternumber: write it as afterNumber=VALUE$/)
  await refused(server, { url: `${url}?afterNumber=` }, 400, /^afterNumber: must be a whole number/)
  assert.deepEqual(await numbers('?limit=2&afterNumber=2'), [3])
  await refused(server, { url: `${url}?limit=0` }, 400, /limit: must be 1 or more/)
  await refused(server, { url: `${url}?limit=x` }, 400, /limit: must be a whole number/)
  await refused(server, { url: `${url}?limit=1&limit=2` }, 400, /limit: give it once/)
})

test('the audit log is read for one org, and from after an entry', async () => {
  const server = fakeServer()
  const org = 'org_01h455vb4pex5vsknk084sn02q'
  const entry = 'aud_01h455vb4pex5vsknk084sn02q'
  const url = `/v1/admin/audit?org=${org}&after=2026-01-01T00:00:00.000Z,${entry}&limit=1`
  const { results } = (await ask(server, { url })).json()
  assert.deepEqual(
    [results.length, results[0].action, results[0].details],
    [1, 'node.drain', { reason: 'new' }],
  )
  const asked = { limit: 1, orgId: org, after: { at: new Date('2026-01-01T00:00:00.000Z'), id: entry } }
  assert.deepEqual(server.operator.calls, [{ name: 'audit', arguments: [asked] }])
  await refused(server, { url: '/v1/admin/audit?org=acme' }, 400, /org_/)
  for (const name of ['org[]', 'org[0]', 'Org', 'orgs', 'org.eq'])
    await refused(server, { url: `/v1/admin/audit?${name}=${org}` }, 400, /^org.*: write it as org=VALUE$/i)
  await refused(server, { url: '/v1/admin/audit?after=yesterday' }, 400, /after/)
})

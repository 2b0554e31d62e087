import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { InjectOptions } from 'fastify'
import { AnchorageError } from '../../core/errors.ts'
import { fakeOrgs } from '../../../testing/fakes/orgs.ts'
import { mintId, type OrgId } from '../../core/ids.ts'
import { scopesOf } from '../../core/org.ts'
import type { OrgPrincipal, Scope } from '../../core/token.ts'
import { fakeServer, memoryLog } from '../../../testing/fakes/http-server.ts'

/** An org `acme` with an owner and a viewer, a foreign org, and a bearer for each kind of principal. */
function rig() {
  const fake = fakeOrgs({ log: memoryLog() })
  const acme = fake.newOrg('acme')
  const other = fake.newOrg('other')
  const owner = fake.newMember(acme.id, 'owner')
  const viewer = fake.newMember(acme.id, 'viewer')
  const program = (orgId: OrgId, ...scopes: Scope[]): OrgPrincipal => ({
    actor: mintId('tok'),
    orgId,
    scopes: new Set(scopes),
    until: null,
  })
  const principals: Record<string, OrgPrincipal> = {
    owner: { actor: owner, orgId: acme.id, scopes: scopesOf('owner'), until: null },
    viewer: { actor: viewer, orgId: acme.id, scopes: scopesOf('viewer'), until: null },
    reader: program(acme.id, 'pins:read'),
    operator: program(other.id, 'cluster:admin'),
  }
  const { app } = fakeServer({
    orgs: fake.orgs,
    tokens: fake.tokens,
    async verify(bearer) {
      const principal = principals[bearer]
      if (principal === undefined) throw new AnchorageError('unauthenticated', 'no such token')
      return principal
    },
  })
  const ask = async (
    who: string,
    method: NonNullable<InjectOptions['method']>,
    path: string,
    payload?: object,
  ) => {
    const headers = { authorization: `Bearer ${who}` }
    const body = payload === undefined ? {} : { payload }
    const response = await app.inject({ method, url: `/v1/orgs${path}`, headers, ...body })
    return {
      status: response.statusCode,
      text: response.body,
      body: response.body === '' ? null : response.json(),
    }
  }
  return { app, ask, acme, other, owner, viewer, fake }
}

test('an operator makes an org, and gives it limits and its first owner', async () => {
  const { ask, viewer } = rig()
  const made = await ask('operator', 'POST', '', { slug: 'new', maxPins: 10, role: 'ignored' })
  assert.equal(made.status, 201)
  assert.deepEqual(made.body.limits, { maxPins: 10, maxBytes: null, maxReplicas: null })
  assert.equal((await ask('operator', 'POST', '', { slug: 'new' })).status, 409)
  const set = await ask('operator', 'PUT', `/${made.body.id}/limits`, { maxPins: null, maxBytes: 1 << 30 })
  assert.deepEqual(set.body.limits, { maxPins: null, maxBytes: 1 << 30, maxReplicas: null })
  const first = await ask('operator', 'PUT', `/new/members/${viewer}`, { role: 'owner' })
  assert.deepEqual([first.status, first.body.id, first.body.role], [200, viewer, 'owner'])
  assert.deepEqual(
    (await ask('operator', 'GET', '/new/members')).body.results.map(({ id }: { id: string }) => id),
    [viewer],
  )
})

test('every route answers for a foreign org byte for byte as for a missing one', async () => {
  const { ask, viewer } = rig()
  const routes = [
    ['GET', ''],
    ['GET', '/usage'],
    ['GET', '/members'],
    ['GET', '/audit'],
    ['PUT', '/limits', { maxPins: 1 }],
    ['PUT', `/members/${viewer}`, { role: 'viewer' }],
    ['DELETE', `/members/${viewer}`],
  ] as const
  for (const [method, path, payload] of routes) {
    const foreign = await ask('owner', method, `/other${path}`, payload)
    const absent = await ask('owner', method, `/nowhere${path}`, payload)
    assert.equal(foreign.status, 404, `${method} ${path}: ${foreign.text}`)
    assert.equal(foreign.text, absent.text)
    assert.notEqual((await ask('owner', method, `/acme${path}`, payload)).status, 404, `${method} ${path}`)
  }
})

test('each route admits only its own scopes and roles', async () => {
  const { ask, owner, viewer } = rig()
  assert.equal((await ask('stranger', 'GET', '/acme')).status, 401)
  const refused = [
    ['viewer', 'GET', '/acme/audit'],
    ['viewer', 'PUT', `/acme/members/${viewer}`, { role: 'owner' }],
    ['viewer', 'DELETE', `/acme/members/${owner}`],
    ['reader', 'DELETE', `/acme/members/${viewer}`],
    ['owner', 'POST', '', { slug: 'mine' }],
    ['owner', 'PUT', '/acme/limits', { maxPins: null }],
  ] as const
  for (const [who, method, path, payload] of refused) {
    const { status, text } = await ask(who, method, path, payload)
    assert.equal(status, 403, `${who} ${method} ${path}: ${text}`)
  }
  for (const path of ['/acme', '/acme/usage', '/acme/members'])
    for (const who of ['viewer', 'reader', 'operator'])
      assert.equal((await ask(who, 'GET', path)).status, 200)
  assert.equal((await ask('viewer', 'DELETE', `/acme/members/${viewer}`)).status, 204)
  assert.equal((await ask('owner', 'DELETE', `/acme/members/${owner}`)).status, 409)
})

test('invalid limits and roles are refused with the name of the field', async () => {
  const { ask, viewer } = rig()
  const wrong: [object, RegExp][] = [
    [{ maxPins: -1 }, /maxPins/],
    [{ maxPins: 1.5 }, /maxPins/],
    [{ maxPins: '5' }, /maxPins/],
    [{ maxBytes: 2 ** 60 }, /maxBytes/],
    [{ maxReplicas: 0 }, /maxReplicas/],
    [{ maxReplicas: 101 }, /maxReplicas/],
    [{ defaultReplicas: 3, maxReplicas: 2 }, /copies/],
  ]
  for (const [change, words] of wrong) {
    const { status, text } = await ask('operator', 'PUT', '/acme/limits', change)
    assert.equal(status, 400, text)
    assert.match(text, words)
  }
  for (const slug of ['', 'A', '-a', 'a_b', 'a'.repeat(64), 'org_01h455vb4pex5vsknk084sn02q', 'a\n'])
    assert.equal((await ask('operator', 'POST', '', { slug })).status, 400, slug)
  assert.equal((await ask('owner', 'PUT', `/acme/members/${viewer}`, { role: 'root' })).status, 400)
  assert.equal((await ask('owner', 'PUT', '/acme/members/x', { role: 'admin' })).status, 404)
  assert.equal((await ask('owner', 'GET', '/acme/audit?before=x')).status, 400)
  assert.equal((await ask('owner', 'GET', '/acme/audit?limit=1001')).status, 400)
  assert.equal((await ask('owner', 'GET', '/acme/audit?before[]=x')).status, 400)
  for (const query of ['?limit=0', '?after=%00', '?after=A', '?after=a&after=b', '?after[]=a', '?Limit=1'])
    assert.equal((await ask('operator', 'GET', query)).status, 400, query)
  for (const path of ['/%00', '/%E2%98%83', '/acme%0A', `/${'a'.repeat(9000)}`])
    assert.equal((await ask('operator', 'GET', path)).status, 404, path)
})

test('every answer about orgs matches its schema in the document', async () => {
  const { app, ask, fake, acme, viewer } = rig()
  fake.kept.entries.push({
    id: mintId('aud'),
    at: new Date(0),
    orgId: acme.id,
    actor: 'operator',
    action: 'org.set',
    target: 'acme',
    details: { maxPins: 5 },
  })
  const document = (await app.inject('/v1/openapi.json')).json()
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema({ $id: 'api', components: document.components })
  const routes = [
    ['GET', ''],
    ['POST', '', { slug: 'a' }],
    ['GET', '/acme'],
    ['PUT', '/acme/limits', { maxPins: 3 }],
    ['GET', '/acme/usage'],
    ['GET', '/acme/members'],
    ['PUT', `/acme/members/${viewer}`, { role: 'admin' }],
    ['DELETE', `/acme/members/${viewer}`],
    ['GET', '/acme/audit'],
  ] as const
  const described = Object.entries<object>(document.paths)
    .filter(([path]) => path.startsWith('/v1/orgs'))
    .flatMap(([path, operations]) => Object.keys(operations).map((method) => `${method} ${path}`))
  const seen: string[] = []
  for (const [method, path, payload] of routes) {
    const { status, body, text } = await ask('operator', method, path, payload)
    const pattern = `/v1/orgs${path}`.replace('acme', '{org}').replace(viewer, '{user}')
    const answer = document.paths[pattern][method.toLowerCase()].responses[status]
    assert.ok(answer, `${method} ${pattern}: ${status} ${text}`)
    seen.push(`${method.toLowerCase()} ${pattern}`)
    if (status === 204) continue
    const schema = answer.content['application/json'].schema
    const resolved = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/'))
    assert.ok(ajv.validate(resolved, body), `${pattern}: ${ajv.errorsText()} ${text}`)
  }
  assert.deepEqual(seen.toSorted(), described.toSorted())
})

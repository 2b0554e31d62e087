// A world of its own: refused principals are not rate-limited in it, and every row that a principal could see is known.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { parseId, uuidOf } from '../src/core/ids.ts'
import { fakeServer } from '../testing/fakes/http-server.ts'
import type { TestPrincipal } from './authz/principals.ts'
import { ask, tellTale, type Said } from './authz/ask.ts'
import {
  principals,
  openRoutes,
  publicPages,
  routes,
  signOut,
  type PrincipalName,
  type Route,
} from './authz/routes.ts'
import { rowsOf, stage, type Names, type Stage } from './authz/stage.ts'
import { until } from '../testing/settle.ts'

const operators: readonly PrincipalName[] = ['operator', 'operator-viewer', 'cluster:admin']

test('every route of the API has its row in the table, and every other path is public', async () => {
  const { app } = fakeServer()
  await app.ready()
  const document = await app.inject({ url: '/v1/openapi.json' })
  const { paths }: { paths: Record<string, Record<string, unknown>> } = document.json()
  const told = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  )
  assert.deepEqual(told.sort(), [...Object.keys(routes), ...Object.keys(openRoutes), signOut].sort())
  const documented = new Set(Object.keys(paths))
  const hidden = pathsOf(app.printRoutes({ commonPrefix: false })).filter((path) => !documented.has(path))
  assert.deepEqual(
    hidden.filter((path) => !publicPages.test(path)),
    [],
  )
  assert.ok(hidden.includes('/v1/openapi.json'), 'paths were read')
  await app.close()
})

suite('who may do what', () => {
  let at: Stage
  let made = 0

  before(async () => {
    at = await stage()
  })
  after(() => at[Symbol.asyncDispose]())

  for (const [name, route] of Object.entries(routes)) {
    const [method = '', path = ''] = name.split(' ')
    const send = (principal: TestPrincipal, names: Names): Promise<Said> =>
      ask(at.url + fill(path, names), method, principal.headers, route.body?.((made += 1), names))

    suite(name, () => {
      for (const who of principals) {
        test(who, async () => {
          const principal = at.principals.get(who) ?? assert.fail(`there is no ${who}`)
          const rows = route.row === undefined ? null : rowsOf(at, principal)[route.row]
          const own = rows === null ? {} : await rows.own()
          await readied(name, own)
          const known = await audited(principal)
          const said = await send(principal, own)
          const may = route.may.includes(who)
          assert.equal(said.status, may ? route.ok : route.unseen?.includes(who) ? 404 : 403, said.text)
          assert.deepEqual(
            await audited(principal, known),
            may && route.audit !== undefined ? [route.audit] : [],
          )
          if (method === 'GET') {
            const head = await ask(at.url + fill(path, own), 'HEAD', principal.headers)
            assert.deepEqual([head.status, head.text], [said.status, ''])
          }
          if (!operators.includes(who)) leaksNothing(said, own)
          if (principal.headers.cookie !== undefined) {
            assert.equal(said.headers['access-control-allow-origin'], undefined, 'no page elsewhere reads it')
            assert.equal(said.headers['cache-control'], 'no-store')
          }
          await undone(name)
        })

        if (route.others !== undefined)
          test(`${who}, on another person's object in the same org`, async () => {
            const principal = at.principals.get(who) ?? assert.fail(`there is no ${who}`)
            const rows = rowsOf(at, principal)[route.row ?? assert.fail('others without a row')]
            const others = await rows.others()
            const said = await send(principal, others)
            if (route.others?.includes(who)) return assert.equal(said.status, route.ok, said.text)
            const none = await send(principal, rows.absent)
            assert.equal(said.status, route.may.includes(who) ? 404 : 403, said.text)
            assert.equal(tellTale(said, Object.values(others)), tellTale(none, Object.values(rows.absent)))
          })

        if (route.row !== undefined && !['node', 'plan', 'stopped'].includes(route.row))
          test(`${who}, on an object of another org`, () => foreign(who, route, send))
      }

      test('requests without valid credentials', async () => {
        const rows =
          route.row === undefined ? null : rowsOf(at, at.principals.get('viewer') ?? assert.fail())[route.row]
        const own = rows === null ? {} : await rows.own()
        for (const principal of at.refused) {
          for (const names of rows === null ? [own] : [own, rows.absent]) {
            const said = await send(principal, names)
            assert.equal(said.status, 401, `${principal.name}: ${said.text}`)
            assert.match(said.headers['www-authenticate'] ?? '', /^Bearer/)
            leaksNothing(said, names)
          }
        }
      })

      if (method !== 'GET')
        test('requests that a page of another origin makes a browser send', async () => {
          const owner = at.principals.get('owner') ?? assert.fail()
          const rows = route.row === undefined ? null : rowsOf(at, owner)[route.row]
          const own = rows === null ? {} : await rows.own()
          const { cookie = '' } = owner.headers
          const elsewhere: Record<string, string>[] = [
            {},
            { 'sec-fetch-site': 'cross-site' },
            { 'sec-fetch-site': 'same-site' },
            { 'sec-fetch-site': 'none' },
            { 'sec-fetch-site': 'cross-site', origin: new URL(at.url).origin },
            { origin: 'https://evil.example' },
            { origin: 'null' },
            { referer: `${at.url}/` },
          ]
          const known = await audited(owner)
          for (const headers of elsewhere) {
            const said = await send({ ...owner, headers: { cookie, ...headers } }, own)
            assert.equal(said.status, 403, JSON.stringify([headers, said.text]))
          }
          assert.deepEqual(await audited(owner, known), [])
        })
    })
  }

  for (const [name, statuses] of Object.entries(openRoutes)) {
    test(`${name} needs no credentials`, async () => {
      const [method = '', path = ''] = name.split(' ')
      const senders = [...at.principals.values(), ...at.refused]
      const told = new Set<string>()
      for (const { headers } of senders) {
        const said = await ask(at.url + path, method, headers)
        assert.ok(statuses.includes(said.status), `${said.status}: ${said.text}`)
        leaksNothing(said, {})
        told.add(String(said.status))
      }
      assert.equal(told.size, 1, 'all are answered alike')
    })
  }

  test(`${signOut} ends the session that asks, once, and no other session`, async () => {
    const leave = (headers: Record<string, string>) => ask(`${at.url}/v1/auth/logout`, 'POST', headers)
    const stay = (headers: Record<string, string>) => ask(`${at.url}/v1/auth/session`, 'GET', headers)
    const [one, two] = [await at.cast.person('leaver', []), await at.cast.person('leaver', [])]
    assert.equal((await leave({ cookie: one.headers['cookie'] ?? '' })).status, 403)
    assert.equal((await stay(one.headers)).status, 200, 'a page of another site cannot sign out')
    assert.equal((await leave(one.headers)).status, 200)
    assert.equal((await stay(one.headers)).status, 401)
    assert.equal((await stay(two.headers)).status, 200)
    assert.deepEqual(JSON.parse((await leave(one.headers)).text), { redirect: null })
    const ends = (await audited({ name: '', headers: {}, actor: one.userId })).filter(
      (did) => did === 'session.end',
    )
    assert.equal(ends.length, 1)
    for (const { name, headers } of [...at.principals.values(), ...at.refused]) {
      if (headers.authorization !== undefined) assert.equal((await leave(headers)).status, 403, name)
    }
  })

  test('an org in the header that the principal is not a member of looks like one that does not exist', async () => {
    for (const who of ['viewer', 'owner', 'operator', 'operator-viewer', 'in-no-org'] as const) {
      const { headers } = at.principals.get(who) ?? assert.fail()
      for (const [method, path, body] of [
        ['GET', '/v1/pins'],
        ['POST', '/v1/pins', { cid: 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy' }],
        ['GET', `/v1/pins/${at.theirs.pin}`],
        ['GET', '/v1/tokens'],
        ['POST', '/v1/tokens', { name: 'x', scopes: ['pins:read'] }],
        ['DELETE', `/v1/tokens/${at.theirs.token}`],
        ['GET', '/v1/orgs'],
      ] as const) {
        const named = (org: string) => ask(at.url + path, method, { ...headers, 'anchorage-org': org }, body)
        const none = await named('there-is-none')
        assert.equal(none.status, 404, `${who} ${method} ${path}`)
        for (const org of [at.theirs.id, at.theirs.slug])
          assert.equal(tellTale(await named(org), []), tellTale(none, []), `${who} ${method} ${path}`)
      }
    }
  })

  test('a token works for its own org only, whatever a header or a cookie beside it says', async () => {
    const token = at.principals.get('pins:read') ?? assert.fail()
    const beside = { ...token.headers, ...pick(at.theirs.owner.headers), 'anchorage-org': at.theirs.id }
    const said = await ask(`${at.url}/v1/pins/${at.theirs.pin}`, 'GET', beside)
    assert.equal(said.status, 404)
    assert.equal((await ask(`${at.url}/v1/pins/${at.mine.pin}`, 'GET', beside)).status, 200)
  })

  test('a member of several orgs names one, and has in each org its role there', async () => {
    const [mine, theirs] = [at.mine.slug, at.theirs.slug]
    const { headers } = await at.cast.person('of-both', [
      { slug: mine, role: 'viewer' },
      { slug: theirs, role: 'member' },
    ])
    const list = (org?: string) =>
      ask(`${at.url}/v1/tokens`, 'GET', {
        ...headers,
        ...(org === undefined ? {} : { 'anchorage-org': org }),
      })
    assert.equal((await list()).status, 400)
    assert.equal((await list(theirs)).status, 200)
    assert.equal((await list(mine)).status, 403, 'a right in another org gives none here')
    const path = `${at.url}/v1/orgs/${mine}/members/${at.mine.extra}`
    const asAdmin = await ask(path, 'PUT', { ...headers, 'anchorage-org': theirs }, { role: 'viewer' })
    assert.equal(asAdmin.status, 403, 'the path says which org it is about')
  })

  test('a suspended org refuses its tokens and members with the reason, and members are served in their other orgs', async () => {
    const { orgDirectory } = at.minting.store
    const { id, slug } = await orgDirectory.createOrg('to-stop', {}, 'operator')
    const both = [
      { slug, role: 'owner' },
      { slug: at.mine.slug, role: 'viewer' },
    ] as const
    const [alone, inBoth] = [
      await at.cast.person('alone', [both[0]]),
      await at.cast.person('in-both', [...both]),
    ]
    const { token } = await at.cast.token(id, ['pins:read', 'cluster:admin'])
    const byToken = { authorization: `Bearer ${token}` }
    const get = (path: string, headers: Record<string, string>) => ask(at.url + path, 'GET', headers)
    const asked = [
      ['/v1/pins', byToken],
      ['/v1/admin/nodes', byToken],
      ['/v1/pins', alone.headers],
      ['/v1/tokens', alone.headers],
      [`/v1/orgs/${slug}/members`, alone.headers],
      ['/v1/pins', { ...inBoth.headers, 'anchorage-org': slug }],
      [`/v1/orgs/${slug}`, inBoth.headers],
    ] as const
    for (const [path, headers] of asked) assert.equal((await get(path, headers)).status, 200, path)
    await orgDirectory.suspendOrg(id, 'reported for abuse', 'operator')
    for (const [path, headers] of asked) {
      const said = await until(`${path} is refused`, async () => {
        const answer = await get(path, headers)
        return answer.status === 200 ? null : answer
      })
      assert.equal(said.status, 403, said.text)
      assert.match(said.text, /this org is suspended: reported for abuse/)
    }
    assert.equal((await get('/v1/pins', { ...inBoth.headers, 'anchorage-org': at.mine.slug })).status, 200)
    const signedIn = JSON.parse((await get('/v1/auth/session', alone.headers)).text)
    assert.deepEqual(
      signedIn.memberships.map((each: { scopes: string[]; suspended: string }) => [
        each.scopes,
        each.suspended,
      ]),
      [[[], 'reported for abuse']],
    )
    const listed = JSON.parse((await get('/v1/orgs', alone.headers)).text)
    assert.equal(listed.results[0].suspended.reason, 'reported for abuse')
    await orgDirectory.resumeOrg(id, 'operator')
    for (const [path, headers] of asked)
      await until(`${path} is answered`, async () => (await get(path, headers)).status === 200)
  })

  test('a removed org is soon gone, with its token, and its audit stays', async () => {
    const { orgDirectory, tokens, orgs } = at.minting.store
    const { id, slug } = await orgDirectory.createOrg('to-remove', {}, 'operator')
    const { id: tokenId } = await at.cast.token(id, ['pins:read'])
    const { headers } = at.principals.get('operator') ?? assert.fail()
    const path = `${at.url}/v1/admin/orgs/${slug}/remove`
    assert.equal((await ask(path, 'POST', headers, { confirm: 'mine' })).status, 400)
    const begun = await ask(path, 'POST', headers, { confirm: slug })
    assert.equal(begun.status, 202, begun.text)
    const read = () => ask(`${at.url}/v1/orgs/${slug}/usage`, 'GET', headers)
    await until('it is gone', async () => (await read()).status === 404)
    assert.equal(await tokens.tokenState(tokenId), null)
    const actions = (await orgs.audit(id, { limit: 2 })).map(({ action }) => action)
    assert.deepEqual(actions, ['org.removed', 'org.remove'])
  })

  /** A principal of another org gets the same answer as for an object that does not exist. */
  async function foreign(
    who: PrincipalName,
    route: Route,
    send: (principal: TestPrincipal, names: Names) => Promise<Said>,
  ): Promise<void> {
    const principal = at.principals.get(who) ?? assert.fail(`there is no ${who}`)
    const { foreign: names, absent } = rowsOf(at, principal)[
      route.row ?? assert.fail('a foreign row of nothing')
    ]
    const theirs = await names()
    const said = await send(principal, theirs)
    if (route.everywhere?.includes(who) === true && route.may.includes(who))
      return assert.equal(said.status, route.ok, said.text)
    const none = await send(principal, absent)
    assert.ok(said.status === 404 || (said.status === 403 && !route.may.includes(who)), said.text)
    assert.equal(tellTale(said, Object.values(theirs)), tellTale(none, Object.values(absent)))
    if (!operators.includes(who)) leaksNothing(said, theirs)
  }

  /** Prepares the state that the route changes. */
  async function readied(name: string, { id = '' }: Names): Promise<void> {
    const { store } = at.minting
    if (name === 'POST /v1/admin/nodes/{id}/uncordon') await store.operator.drain(at.nodeId, 'operator')
    if (name === 'DELETE /v1/admin/maintenance')
      await store.operator.setMaintenance({ reason: 'the matrix', ttlMs: 60_000 }, 'operator')
    if (name === 'POST /v1/admin/plans/{id}/pause')
      await at.system.query(`update plans set state = 'applying' where id = $1`, [uuidOf(parseId('pln', id))])
  }

  async function undone(name: string): Promise<void> {
    const { store } = at.minting
    if (name.startsWith('POST /v1/admin/nodes/')) await store.operator.uncordon(at.nodeId, 'operator')
    if (name.endsWith(' /v1/admin/maintenance')) await store.operator.setMaintenance(null, 'operator')
  }

  /** The actions in the audit by this principal, without the ones in `known`. */
  async function audited({ actor }: TestPrincipal, known: string[] = []): Promise<string[]> {
    const { rows } = await at.system.query<{ id: string; action: string }>(
      'select id, action from audit_log where actor = $1 order by at, id',
      [actor],
    )
    return rows.slice(known.length).map(({ action }) => action)
  }

  function leaksNothing({ text, headers }: Said, asked: Names): void {
    const told = text + JSON.stringify(headers)
    for (const mark of at.theirs.marks) {
      if (Object.values(asked).includes(mark)) continue
      assert.ok(!told.includes(mark), `${mark} is in ${told}`)
    }
  }
})

function pick({ cookie = '' }: Record<string, string>): Record<string, string> {
  return { cookie }
}

/** `/a/{b}` with its parameters filled in. */
function fill(path: string, names: Names): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => names[name] ?? assert.fail(`no ${name} for ${path}`))
}

/** The paths in Fastify's printed route tree, in the notation of the document. */
function pathsOf(tree: string): string[] {
  const above: string[] = []
  return tree.split('\n').flatMap((line) => {
    const found = /^([│ ]*)[├└]── (.*?)(?: \(([A-Z, ]+)\))?$/.exec(line)
    if (found === null) return []
    const [, indent = '', part = '', methods] = found
    const depth = indent.length / 4
    const parent = above[depth - 1] ?? ''
    above[depth] = parent + (parent.endsWith('/') && part.startsWith('/') ? part.slice(1) : part)
    return methods === undefined ? [] : [above[depth].replace(/:(\w+)/g, '{$1}')]
  })
}

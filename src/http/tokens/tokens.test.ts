import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { InjectOptions } from 'fastify'
import { AnchorageError } from '../../core/errors.ts'
import { mintId, type TokenId } from '../../core/ids.ts'
import { scopesOf, type Role } from '../../core/org.ts'
import type { OrgPrincipal } from '../../core/token.ts'
import { fakeServer } from '../../../testing/fakes/http-server.ts'

/** The people of one org; the bearer of each is the name of its role. */
function rig() {
  const orgId = mintId('org')
  const by = { admin: mintId('usr'), member: mintId('usr'), viewer: mintId('usr') }
  const principal = (role: Role & keyof typeof by): OrgPrincipal => ({
    actor: by[role],
    orgId,
    scopes: scopesOf(role),
    until: null,
  })
  const principals: Record<string, OrgPrincipal> = {
    admin: principal('admin'),
    member: principal('member'),
    viewer: principal('viewer'),
  }
  const server = fakeServer({
    async verify(bearer) {
      const found = principals[bearer]
      if (found === undefined) throw new AnchorageError('unauthenticated', 'no such token')
      return found
    },
  })
  const ask = (who: string, options: InjectOptions) =>
    server.app.inject({ url: '/v1/tokens', headers: { authorization: `Bearer ${who}` }, ...options })
  const create = (who: string, payload: object) => ask(who, { method: 'POST', payload })
  return { ...server, ask, create, by }
}

test('a token is made, shows its secret once, is listed without it, and is ended', async () => {
  const { ask, create, by, fakeOrgs } = rig()
  const made = await create('member', {
    name: 'laptop',
    scopes: ['pins:read', 'pins:write'],
    ttlSeconds: 3600,
  })
  assert.equal(made.statusCode, 201)
  assert.equal(made.headers['cache-control'], 'no-store')
  const { token: secret, ...shown } = made.json<Record<string, unknown>>()
  assert.match(String(secret), /secret/)
  assert.deepEqual(
    [shown['name'], shown['scopes'], shown['createdBy'], shown['lastUsedAt'], shown['revokedAt']],
    ['laptop', ['pins:read', 'pins:write'], by.member, null, null],
  )
  const listed = await ask('member', {})
  assert.deepEqual(listed.json(), { results: [shown] })
  assert.doesNotMatch(listed.body, /secret/)
  const id = String(shown['id'])
  const ended = await ask('member', { method: 'DELETE', url: `/v1/tokens/${id}` })
  assert.deepEqual([ended.statusCode, ended.body], [204, ''])
  assert.equal((await ask('member', { method: 'DELETE', url: `/v1/tokens/${id}` })).statusCode, 204)
  assert.match((await ask('member', {})).json().results[0].revokedAt, /Z$/)
  assert.deepEqual(fakeOrgs.announced[0]?.tokens, [id])
})

test('a member sees and ends only its own tokens, and an admin all tokens of the org', async () => {
  const { ask, create } = rig()
  const { id }: { id: TokenId } = (await create('admin', { scopes: ['org:admin'] })).json()
  assert.deepEqual((await ask('member', {})).json(), { results: [] })
  const foreign = await ask('member', { method: 'DELETE', url: `/v1/tokens/${id}` })
  const absent = await ask('member', { method: 'DELETE', url: `/v1/tokens/${mintId('tok')}` })
  assert.equal(foreign.statusCode, 404)
  assert.equal(foreign.body, absent.body)
  const mine: { id: TokenId } = (await create('member', { scopes: ['pins:read'] })).json()
  assert.equal((await ask('admin', {})).json().results.length, 2)
  assert.equal((await ask('admin', { method: 'DELETE', url: `/v1/tokens/${mine.id}` })).statusCode, 204)
})

test('a principal that may not manage tokens, or asks for more scopes than it has, is refused', async () => {
  const { ask, create } = rig()
  assert.equal((await create('viewer', { scopes: ['pins:read'] })).statusCode, 403)
  assert.equal((await ask('viewer', {})).statusCode, 403)
  assert.equal((await ask('stranger', {})).statusCode, 401)
  assert.equal((await ask('member', { url: '/v1/tokens?limit[]=1' })).statusCode, 400)
  const beyond = await create('member', { scopes: ['pins:read', 'cluster:admin'] })
  assert.equal(beyond.statusCode, 403)
  assert.match(beyond.body, /cluster:admin/)
})

test('a malformed request for a token is refused, and no token is made', async () => {
  const { create, fakeOrgs } = rig()
  const wrong = [
    {},
    { scopes: [] },
    { scopes: ['pins:fly'] },
    { scopes: 'pins:read' },
    { scopes: ['pins:read', 'pins:read'] },
    { scopes: ['pins:read'], ttlSeconds: 0 },
    { scopes: ['pins:read'], ttlSeconds: 1.5 },
    { scopes: ['pins:read'], ttlSeconds: 400_000_000 },
    { scopes: ['pins:read'], expiresAt: '2020-01-01T00:00:00Z' },
    { scopes: ['pins:read'], expiresAt: 'tomorrow' },
    { scopes: ['pins:read'], expiresAt: '9999-01-01T00:00:00Z' },
    { scopes: ['pins:read'], ttlSeconds: 60, expiresAt: new Date(Date.now() + 60_000).toISOString() },
    { scopes: ['pins:read'], name: '' },
    { scopes: ['pins:read'], name: 'x'.repeat(256) },
  ]
  for (const payload of wrong) {
    const { statusCode, body } = await create('member', payload)
    assert.equal(statusCode, 400, `${JSON.stringify(payload)}: ${body}`)
  }
  assert.equal(fakeOrgs.kept.tokens.length, 0)
})

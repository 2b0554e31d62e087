import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse, type CollectionTag, type ScalarTag } from 'yaml'
import { groupRules, rightsFromGroups } from '../core/group-roles.ts'
import { fakeServer } from '../../testing/fakes/http-server.ts'
import { loadConfig } from '../config/config.ts'

const root = join(import.meta.dirname, '../..')
const url = 'https://pins.example.com'

interface Entry {
  id?: string
  model: string
  identifiers: Record<string, string>
  attrs?: Record<string, unknown>
}

/** The values of Authentik's own tags, as far as they are known without an Authentik. */
const tags: (ScalarTag | CollectionTag)[] = [
  { tag: '!Env', resolve: (name) => (name === 'ANCHORAGE_URL' ? url : `the value of ${name}`) },
  { tag: '!KeyOf', resolve: (id) => ({ keyOf: id }) },
  { tag: '!Find', collection: 'seq', resolve: (list) => ({ find: JSON.parse(JSON.stringify(list)) }) },
  {
    tag: '!Format',
    collection: 'seq',
    resolve(list) {
      const [pattern, ...values]: string[] = JSON.parse(JSON.stringify(list))
      return values.reduce((text, value) => text.replace('%s', value), pattern ?? '')
    },
  },
]

function blueprint(): Entry[] {
  const text = readFileSync(join(root, 'deploy/authentik/anchorage.yaml'), 'utf8')
  const { version, entries }: { version: number; entries: Entry[] } = parse(text, { customTags: tags })
  assert.equal(version, 1)
  return entries
}

const ofModel = (model: string) => blueprint().filter((entry) => entry.model === model)
const provider = () =>
  ofModel('authentik_providers_oauth2.oauth2provider')[0]?.attrs ?? assert.fail('no provider')

async function paths(): Promise<string[]> {
  const { app } = fakeServer()
  await app.ready()
  return Object.keys(app.swagger().paths ?? {})
}

test('the blueprint sends people and logouts to existing routes', async () => {
  const known = await paths()
  const { redirect_uris: redirects, logout_uri: logout, logout_method: method } = provider()
  assert.deepEqual(redirects, [
    { matching_mode: 'strict', redirect_uri_type: 'authorization', url: `${url}/v1/auth/callback` },
    { matching_mode: 'strict', redirect_uri_type: 'logout', url: `${url}/` },
  ])
  assert.equal(logout, `${url}/v1/auth/backchannel-logout`)
  assert.equal(method, 'backchannel')
  for (const path of ['/v1/auth/callback', '/v1/auth/backchannel-logout'])
    assert.ok(known.includes(path), path)
})

test('the blueprint grants the scopes that are asked for, and signs with a key', () => {
  const [mapping] = ofModel('authentik_providers_oauth2.scopemapping')
  const { property_mappings: mappings, signing_key: key, encryption_key: none } = provider()
  const managed = JSON.stringify(mappings)
  for (const scope of loadConfig({ env: {} }).oidc.scopes)
    assert.ok(managed.includes(`scope-${scope}"`) || mapping?.attrs?.['scope_name'] === scope, scope)
  assert.ok(
    managed.includes(JSON.stringify({ keyOf: mapping?.id })),
    'the scope of the groups is one of the provider',
  )
  assert.match(JSON.stringify(key), /certificatekeypair/)
  assert.equal(none, undefined)
  const ids = new Set(blueprint().map(({ id }) => id))
  for (const [, id = ''] of JSON.stringify(blueprint()).matchAll(/"keyOf":"(\w+)"/g))
    assert.ok(ids.has(id), id)
})

test('each group of the blueprint gives an operator or one role', () => {
  const rules = groupRules(loadConfig({ env: {} }).oidc.groupPrefix, [])
  const groups = ofModel('authentik_core.group').map(({ identifiers }) => identifiers['name'] ?? '')
  assert.ok(groups.length > 1)
  for (const group of groups) {
    const { operator, roles } = rightsFromGroups([group], rules)
    assert.ok(operator || roles.length === 1, group)
  }
})

test('the page on login names every route below /v1/auth', async () => {
  const page = readFileSync(join(root, 'docs/login.md'), 'utf8')
  const auth = (await paths()).filter((path) => path.startsWith('/v1/auth/'))
  assert.ok(auth.length > 5)
  assert.deepEqual(
    auth.map((path) => path.replace(/\{(\w+)\}/, ':$1')).filter((path) => !page.includes(path)),
    [],
  )
})

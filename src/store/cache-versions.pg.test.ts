import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { before, test } from 'node:test'
import { isCode } from '../core/errors.ts'
import { mintId, type OrgId } from '../core/ids.ts'
import type { ApiToken } from '../core/token.ts'
import { testStore } from '../../testing/database/test-store.ts'

const keyId = mintId('key')
const { store } = await testStore()
let org: OrgId

before(async () => {
  org = (await store.orgDirectory.createOrg('ours', {}, 'operator')).id
  await store.tokens.rotateKey({ id: keyId, wrapped: randomBytes(60), state: 'active' })
})

test('a change of a node that other nodes must know makes a new version of the nodes; a sign of life does not', async () => {
  assert.deepEqual(await store.nodes.read(), { nodes: [], version: 0 })
  const node = await store.nodes.boot('node-1')
  const booted = await newerThan(0)
  await store.nodes.see(node, { usedBytes: 1, capacityBytes: 2 })
  assert.equal((await store.nodes.read()).version, booted)
  await store.nodes.bindKubo(node, { peerId: 'peer', multiaddrs: ['/ip4/127.0.0.1'] })
  const bound = await newerThan(booted)
  await store.nodes.boot('node-1')
  await newerThan(bound)
})

test('a token is revoked at once and for good, and each revocation makes a new version of the tokens', async () => {
  const [one, two] = [await newToken(), await newToken()]
  const before = await store.tokens.cacheVersion('tokens')
  const first = await store.tokens.revokeToken(one)
  assert.ok(first.version > before)
  assert.partialDeepStrictEqual(await store.tokens.tokenState(one), { orgId: org, revoked: true })
  assert.partialDeepStrictEqual(await store.tokens.tokenState(two), { orgId: org, revoked: false })
  assert.ok((await store.tokens.revokeToken(two)).version > first.version)
  await store.tokens.revokeToken(one)
  assert.equal((await store.tokens.tokenState(one))?.revoked, true)
  await assert.rejects(store.tokens.revokeToken(mintId('tok')), (error) => isCode(error, 'not_found'))
})

async function newerThan(version: number): Promise<number> {
  const read = await store.nodes.read()
  assert.ok(read.version > version, `${read.version} is not after ${version}`)
  assert.equal(await store.tokens.cacheVersion('nodes'), read.version)
  return read.version
}

async function newToken(): Promise<ApiToken['id']> {
  const expiresAt = new Date(Date.now() + 3_600_000)
  const token: ApiToken = {
    id: mintId('tok'),
    orgId: org,
    keyId,
    name: null,
    scopes: ['pins:read'],
    expiresAt,
    createdBy: null,
  }
  await store.tokens.insertToken(token)
  return token.id
}

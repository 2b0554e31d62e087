import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { AnchorageError, isCode } from '../core/errors.ts'
import { mintId, type TokenId } from '../core/ids.ts'
import type { TokenStore } from '../core/ports.ts'
import type { ApiToken, SigningKey } from '../core/token.ts'
import { newSigningKey, unwrapKey } from './key-wrap.ts'
import { minter } from './minter.ts'
import { verifier } from './verifier.ts'

/** A TokenStore in memory that counts its calls, can be made unavailable, and retires keys that signed nothing. */
class MemoryStore implements TokenStore {
  keys: SigningKey[] = []
  tokens = new Map<string, ApiToken>()
  revoked = new Set<string>()
  suspended: string | null = null
  down = false
  asked = { keys: 0, state: 0, touch: 0 }
  beforeInsert: () => Promise<void> = () => Promise.resolve()

  orgBySlug = () => Promise.resolve(mintId('org'))
  async insertToken(token: ApiToken) {
    await this.beforeInsert()
    const active = this.keys.some(({ id, state }) => id === token.keyId && state === 'active')
    if (!active) throw new AnchorageError('conflict', 'the signing key has been rotated')
    this.tokens.set(token.id, token)
    return new Date(0)
  }
  async revokeToken(id: TokenId) {
    this.revoked.add(id)
    return { tokens: [id], version: this.revoked.size }
  }
  cacheVersion = () => Promise.resolve(this.revoked.size)
  async tokenState(id: string) {
    this.asked.state += 1
    await this.#reach()
    const token = this.tokens.get(id)
    return token === undefined ? null : { ...token, revoked: this.revoked.has(id), suspended: this.suspended }
  }
  async touchToken() {
    this.asked.touch += 1
    await this.#reach()
  }
  async signingKeys() {
    this.asked.keys += 1
    await this.#reach()
    return [...this.keys]
  }
  async rotateKey(key: SigningKey) {
    await this.#reach()
    const signed = new Set([...this.tokens.values()].map((token) => token.keyId))
    this.keys = this.keys.map((old) => ({ ...old, state: signed.has(old.id) ? 'verify' : 'retired' }))
    this.keys.push(key)
  }
  retireKeys = () => Promise.resolve([])
  livingTokens = () => Promise.resolve(this.tokens.size)
  pruneTokens = () => Promise.resolve(0)
  async #reach() {
    await Promise.resolve()
    if (this.down) throw new AnchorageError('unavailable', 'the database is away')
  }
}

function rig() {
  const clock = {
    nowMs: 1_800_000_000_000,
    now: () => clock.nowMs,
    /** How far the wall clock was set ahead. */
    aheadMs: 0,
    steadyMs: () => clock.nowMs - clock.aheadMs,
    step(ms: number) {
      clock.nowMs += ms
      clock.aheadMs += ms
    },
    async sleep(ms: number) {
      clock.nowMs += ms
    },
  }
  const store = new MemoryStore()
  const masterKey = randomBytes(32)
  const mint = minter({ store, masterKey, clock })
  const { verify, remembered } = verifier({ store, masterKey, clock })
  const orgId = mintId('org')
  const newToken = () =>
    mint.mint({ orgId, name: 'ci', scopes: ['pins:read', 'pins:write'], ttlMs: 90_000, createdBy: null })
  return { clock, store, masterKey, mint, verify, remembered, orgId, newToken }
}

const refused = (why: RegExp) => (error: unknown) =>
  isCode(error, 'unauthenticated') && why.test(error.message)

test('a minted token is verified as its principal', async () => {
  const { verify, newToken, orgId, clock } = rig()
  const { token, id, expiresAt } = await newToken()
  const principal = await verify(token)
  const scopes = new Set(['pins:read', 'pins:write'])
  assert.deepEqual(principal, { actor: id, orgId, scopes, until: expiresAt })
  assert.equal(expiresAt.getTime(), clock.nowMs + 90_000)
})

test('a token in use is verified from memory: keys and state are not read again within two seconds', async () => {
  const { verify, newToken, store, clock } = rig()
  const { token } = await newToken()
  await verify(token)
  store.asked = { keys: 0, state: 0, touch: 0 }
  for (let i = 0; i < 1000; i += 1) await verify(token)
  assert.deepEqual(store.asked, { keys: 0, state: 0, touch: 0 })
  clock.nowMs += 2_000
  await Promise.all(Array.from({ length: 50 }, () => verify(token)))
  assert.equal(store.asked.state, 1, 'fifty requests at once share one question')
})

test('a revoked token stops working within two seconds, and is then refused without asking the store', async () => {
  const { verify, newToken, store, clock } = rig()
  const { token, id } = await newToken()
  await verify(token)
  store.revoked.add(id)
  clock.nowMs += 2_000
  await assert.rejects(verify(token), refused(/revoked/))
  const { state } = store.asked
  clock.nowMs += 10_000
  await assert.rejects(verify(token), refused(/revoked/))
  assert.equal(store.asked.state, state)
})

test('an announced revocation works at once, and repeating it does not ask the store', async () => {
  const { verify, remembered, newToken, store } = rig()
  const { token, id } = await newToken()
  const { token: other } = await newToken()
  await verify(token)
  await verify(other)
  const { version } = await store.revokeToken(id)
  remembered.invalidate({ key: id, version })
  await assert.rejects(verify(token), refused(/revoked/))
  const { state } = store.asked
  remembered.invalidate({ key: id, version })
  await assert.rejects(verify(token), refused(/revoked/))
  await verify(other)
  assert.equal(store.asked.state, state)
  assert.equal(remembered.stats().version, version)
})

test('tokens of a suspended org are refused with the reason within two seconds, and accepted within two seconds after it is resumed', async () => {
  const { verify, newToken, mint, store, clock, orgId } = rig()
  const { token } = await newToken()
  const admin = await mint.mint({
    orgId,
    name: null,
    scopes: ['cluster:admin'],
    ttlMs: 90_000,
    createdBy: null,
  })
  const tokens = [token, admin.token]
  for (const each of tokens) await verify(each)
  store.suspended = 'reported for abuse'
  clock.nowMs += 2_000
  const suspended = (error: unknown) =>
    isCode(error, 'forbidden') && error.message === 'this org is suspended: reported for abuse'
  for (const each of tokens) await assert.rejects(verify(each), suspended)
  const { state } = store.asked
  for (const each of tokens) await assert.rejects(verify(each), suspended)
  assert.equal(store.asked.state, state, 'a refusal is remembered as well')
  store.suspended = null
  clock.nowMs += 2_000
  for (const each of tokens) await verify(each)
})

test('after a flush no token is accepted while the store is down, since a revocation may have been missed', async () => {
  const { verify, remembered, newToken, store } = rig()
  const { token, id } = await newToken()
  await verify(token)
  await store.revokeToken(id)
  remembered.flush()
  store.down = true
  await assert.rejects(verify(token), (error) => isCode(error, 'unavailable'))
  store.down = false
  await assert.rejects(verify(token), refused(/revoked/))
})

test('a token expires, even if it is remembered', async () => {
  const { verify, newToken, clock } = rig()
  const { token } = await newToken()
  await verify(token)
  clock.nowMs += 90_000
  await assert.rejects(verify(token), refused(/expired/))
  const { token: next } = await newToken()
  clock.nowMs += 90_000
  await assert.rejects(verify(next), refused(/expired/))
})

test('after a rotation old tokens stay valid, and new ones have the new key and are accepted at once', async () => {
  const { verify, newToken, mint } = rig()
  const before = await newToken()
  await verify(before.token)
  const { kid } = await mint.rotateKey()
  const after = await newToken()
  assert.equal(after.kid, kid)
  assert.notEqual(before.kid, kid)
  await verify(after.token)
  await verify(before.token)
})

test('a key that was made just after the keys were read is found by all concurrent requests', async () => {
  const { verify, newToken, mint, store, clock } = rig()
  await verify((await newToken()).token)
  await mint.rotateKey()
  const { token } = await newToken()
  store.asked.keys = 0
  const startedMs = clock.nowMs
  await Promise.all(Array.from({ length: 20 }, () => verify(token)))
  assert.ok(store.asked.keys <= 2, `${store.asked.keys} reads`)
  assert.ok(clock.nowMs - startedMs <= 500)
})

test('a read of the keys that began before a request does not answer that request', async () => {
  const { verify, newToken, mint, store } = rig()
  const before = await newToken()
  let answer = () => {}
  const held = store.signingKeys.bind(store)
  store.signingKeys = async () => {
    const keys = await held()
    await new Promise<void>((resolve) => (answer = resolve))
    return keys
  }
  const first = verify(before.token)
  await new Promise((resolve) => setImmediate(resolve))
  store.signingKeys = held
  await mint.rotateKey()
  const after = await newToken()
  const second = verify(after.token)
  answer()
  await first
  assert.equal((await second).actor, after.id)
})

test('a revocation is seen in time, even if the clock is set back', async () => {
  const { verify, newToken, store, clock } = rig()
  const { token, id } = await newToken()
  await verify(token)
  store.revoked.add(id)
  clock.step(-3_600_000)
  clock.nowMs += 2_000
  await assert.rejects(verify(token), refused(/revoked/))
})

test('a retired key ends its tokens, even remembered ones', async () => {
  const { verify, newToken, store, clock } = rig()
  const { token } = await newToken()
  await verify(token)
  store.keys = store.keys.map((key) => ({ ...key, state: 'retired' }))
  clock.nowMs += 60_001
  await assert.rejects(verify(token), refused(/retired/))
})

test('while the store is down, a remembered token works for a minute, and an unknown one is answered as unavailable, not as invalid', async () => {
  const { verify, newToken, store, clock } = rig()
  const { token } = await newToken()
  const { token: other } = await newToken()
  store.down = true
  await assert.rejects(verify(other), (error) => isCode(error, 'unavailable'))
  store.down = false
  await verify(token)
  store.down = true
  await assert.rejects(verify(other), (error) => isCode(error, 'unavailable'))
  clock.nowMs += 30_000
  await verify(token)
  clock.nowMs += 40_000
  await assert.rejects(verify(token), (error) => isCode(error, 'unavailable'))
  store.down = false
  await verify(token)
})

test('processes that mint the first token at the same time all get a token that works', async () => {
  const { store, masterKey, clock, verify, orgId } = rig()
  const request = { orgId, name: null, scopes: ['pins:read'], ttlMs: 60_000, createdBy: null }
  const minters = Array.from({ length: 4 }, () => minter({ store, masterKey, clock }))
  const minted = await Promise.all(minters.map((each) => each.mint(request)))
  for (const { token } of minted) await verify(token)
})

test('a token works even if its key is rotated away while it is being stored', async () => {
  const { store, masterKey, mint, newToken, verify } = rig()
  let raced = false
  store.beforeInsert = async () => {
    if (!raced) await store.rotateKey(newSigningKey(masterKey))
    raced = true
  }
  await mint.rotateKey()
  await verify((await newToken()).token)
})

test('the last use is recorded once a minute', async () => {
  const { verify, newToken, store, clock } = rig()
  const { token } = await newToken()
  for (let i = 0; i < 40; i += 1) {
    await verify(token)
    clock.nowMs += 2_000
  }
  assert.equal(store.asked.touch, 2)
})

test('a wrapped key does not open with another master key or under another id', async () => {
  const { store, newToken, masterKey, clock } = rig()
  const { token } = await newToken()
  const wrong = verifier({ store, masterKey: randomBytes(32), clock })
  await assert.rejects(
    wrong.verify(token),
    (error) => isCode(error, 'internal') && /masterKey/.test(error.message),
  )
  const [key] = store.keys
  assert.ok(key)
  assert.equal(unwrapKey(masterKey, key).length, 32)
  assert.throws(
    () => unwrapKey(masterKey, { id: mintId('key'), wrapped: key.wrapped }),
    /cannot be decrypted with/,
  )
  assert.equal(Buffer.from(key.wrapped).includes(Buffer.from(unwrapKey(masterKey, key))), false)
})

test('minting refuses unknown scopes, no scopes, and impossible lifetimes', async () => {
  const { mint, orgId, store } = rig()
  const request = { orgId, name: null, scopes: ['pins:read'], ttlMs: 1000, createdBy: null }
  const wrong = [
    { scopes: [] },
    { scopes: ['pins:read', 'root'] },
    { ttlMs: 0 },
    { ttlMs: -1 },
    { ttlMs: NaN },
    { ttlMs: 1e300 },
  ]
  for (const each of wrong) {
    await assert.rejects(mint.mint({ ...request, ...each }), (error) => isCode(error, 'invalid'))
  }
  assert.equal(store.tokens.size, 0)
})

/** Signs any header and claims, as an attacker with the key could: shows that header and claims are checked as well. */
function forge(secret: Uint8Array, header: object, claims: object, digest = 'sha256') {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part(header)}.${part(claims)}`
  return `${signed}.${createHmac(digest, secret).update(signed).digest('base64url')}`
}

/** Signs with a key pair of the attacker's own, in the form that JWS requires. */
function signedBy(key: KeyObject, header: object, claims: object) {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part(header)}.${part(claims)}`
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}

test('forged tokens are refused with the reason, and invalid ones without asking the store', async (t) => {
  const { store, masterKey, verify, newToken, clock, orgId } = rig()
  const { token, id, kid } = await newToken()
  const [key] = store.keys
  assert.ok(key)
  const secret = unwrapKey(masterKey, key)
  const header = { alg: 'HS256', typ: 'anchorage-token+jwt', kid }
  const exp = Math.floor(clock.nowMs / 1000) + 60
  const claims = {
    iss: 'anchorage',
    aud: 'anchorage-api',
    sub: orgId,
    org: orgId,
    jti: id,
    scopes: ['pins:read'],
    exp,
  }
  await verify(forge(secret, header, claims))
  const [head = '', body = '', signature = ''] = token.split('.')
  const b64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const without = (name: string) => Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name))

  const attacks: Record<string, [string, RegExp]> = {
    empty: ['', /it is malformed/],
    garbage: ['hunter2', /it is malformed/],
    'two parts': [`${head}.${body}`, /it is malformed/],
    'five parts': [`${token}.a.b`, /it is malformed/],
    'no signature': [`${head}.${body}.`, /signature/],
    'a bit flipped': [
      `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`,
      /signature/,
    ],
    'body of another': [`${head}.${b64({ ...claims, org: mintId('org') })}.${signature}`, /signature/],
    'alg none': [`${b64({ ...header, alg: 'none' })}.${body}.`, /algorithm/],
    'alg None': [`${b64({ ...header, alg: 'None' })}.${body}.${signature}`, /algorithm/],
    'alg missing': [forge(secret, { typ: header.typ, kid }, claims), /it is malformed|algorithm/],
    'alg HS512': [forge(secret, { ...header, alg: 'HS512' }, claims, 'sha512'), /algorithm/],
    'alg HS384': [forge(secret, { ...header, alg: 'HS384' }, claims, 'sha384'), /algorithm/],
    'alg RS256': [forge(secret, { ...header, alg: 'RS256' }, claims), /algorithm/],
    'alg RS256 with a key pair of their own': [
      signedBy(
        rsa.privateKey,
        { ...header, alg: 'RS256', jwk: rsa.publicKey.export({ format: 'jwk' }) },
        claims,
      ),
      /algorithm/,
    ],
    'alg ES256 with a key pair of their own': [
      signedBy(
        ec.privateKey,
        { ...header, alg: 'ES256', jwk: ec.publicKey.export({ format: 'jwk' }) },
        claims,
      ),
      /algorithm/,
    ],
    'alg PS256': [`${b64({ ...header, alg: 'PS256' })}.${body}.${signature}`, /algorithm/],
    'HS256 with a public key for its secret': [
      forge(Buffer.from(rsa.publicKey.export({ type: 'spki', format: 'pem' })), header, claims),
      /signature/,
    ],
    'without a signature': [forge(Buffer.alloc(0), header, claims), /signature/],
    'signed with a word': [forge(Buffer.from('secret'), header, claims), /signature/],
    'signed with zeros': [forge(Buffer.alloc(32), header, claims), /signature/],
    'signed with half of the key': [forge(secret.subarray(0, 16), header, claims), /signature/],
    'signed with the master key': [forge(masterKey, header, claims), /signature/],
    'signed with the wrapped key': [forge(Buffer.from(key.wrapped), header, claims), /signature/],
    'key named by an address': [
      forge(
        Buffer.from('mine'),
        { ...header, jku: 'http://127.0.0.1/jwks', x5u: 'file:///etc/passwd' },
        claims,
      ),
      /signature/,
    ],
    'payload not encoded (b64 false)': [
      forge(secret, { ...header, b64: false, crit: ['b64'] }, claims),
      /it is malformed|signature/,
    ],
    'alg a list': [forge(secret, { ...header, alg: ['HS256'] }, claims), /it is malformed|algorithm/],
    'kid unknown': [forge(secret, { ...header, kid: mintId('key') }, claims), /unknown key/],
    'kid missing': [forge(secret, { alg: 'HS256', typ: header.typ }, claims), /missing/],
    'kid a path': [
      forge(Buffer.alloc(32), { ...header, kid: '../../../../dev/null' }, claims),
      /unknown key/,
    ],
    'kid of another kind': [forge(secret, { ...header, kid: id }, claims), /unknown key/],
    'kid in capitals': [forge(secret, { ...header, kid: kid.toUpperCase() }, claims), /unknown key/],
    'kid with a NUL': [forge(secret, { ...header, kid: `${kid}\0` }, claims), /unknown key/],
    'kid SQL': [forge(secret, { ...header, kid: `x' union select '${kid}` }, claims), /unknown key/],
    'kid of a prototype': [forge(secret, { ...header, kid: '__proto__' }, claims), /unknown key/],
    'kid a number': [forge(secret, { ...header, kid: 7 }, claims), /missing|it is malformed/],
    'key in the header': [
      forge(Buffer.from('mine'), { ...header, kid: 'x', jwk: { kty: 'oct', k: 'bWluZQ' } }, claims),
      /unknown key/,
    ],
    'crit unknown': [forge(secret, { ...header, crit: ['exp2'], exp2: 1 }, claims), /it is malformed/],
    'typ JWT': [forge(secret, { ...header, typ: 'JWT' }, claims), /typ/],
    'typ missing': [forge(secret, { alg: 'HS256', kid }, claims), /typ/],
    expired: [forge(secret, header, { ...claims, exp: exp - 60 }), /expired/],
    'exp beyond all years': [forge(secret, header, { ...claims, exp: 1e300 }), /./],
    'exp negative': [forge(secret, header, { ...claims, exp: -1 }), /expired/],
    'nbf a string': [forge(secret, header, { ...claims, nbf: 'now' }), /nbf/],
    'exp a string': [forge(secret, header, { ...claims, exp: '9999999999' }), /exp/],
    'not yet valid': [forge(secret, header, { ...claims, nbf: exp }), /nbf/],
    'iss wrong': [forge(secret, header, { ...claims, iss: 'evil' }), /iss/],
    'iss in a list': [forge(secret, header, { ...claims, iss: ['anchorage'] }), /iss/],
    'aud wrong': [forge(secret, header, { ...claims, aud: 'another-api' }), /aud/],
    'scopes a string': [forge(secret, header, { ...claims, scopes: 'pins:write' }), /malformed/],
    'jti no id': [forge(secret, header, { ...claims, jti: "tok_' or 1=1" }), /it is malformed/],
    'org no id': [forge(secret, header, { ...claims, org: id }), /it is malformed/],
    'sub empty': [forge(secret, header, { ...claims, sub: '' }), /malformed/],
    'claims a list': [forge(secret, header, [claims]), /./],
    '64 KB of base64': ['A'.repeat(65_536), /too long/],
    '64 KB with good start': [`${token}${'A'.repeat(65_536)}`, /too long/],
    'a newline': [`${token}\n`, /it is malformed|signature/],
    'a NUL': [`${token}\0`, /it is malformed|signature/],
  }
  for (const name of ['iss', 'aud', 'exp', 'jti', 'sub', 'org', 'scopes']) {
    attacks[`${name} missing`] = [forge(secret, header, without(name)), new RegExp(`${name} is missing`)]
  }
  for (const [name, [attack, why]] of Object.entries(attacks)) {
    await t.test(name, async () => {
      const before = store.asked.state
      await assert.rejects(verify(attack), refused(why))
      assert.equal(store.asked.state, before)
    })
  }
  await t.test('a token of another org with the same id is refused', async () => {
    await assert.rejects(
      verify(forge(secret, header, { ...claims, org: mintId('org') })),
      refused(/it is unknown/),
    )
  })
  await t.test('a token with more scopes or a longer life than was minted is refused', async () => {
    const more = [{ scopes: ['pins:read', 'org:admin'] }, { exp: exp + 86_400 }]
    for (const each of more) {
      await assert.rejects(verify(forge(secret, header, { ...claims, ...each })), refused(/it is unknown/))
    }
  })
  await t.test('a token signed with another known key is refused', async () => {
    const other = newSigningKey(masterKey)
    store.keys.push({ ...other, state: 'verify' })
    const forged = forge(unwrapKey(masterKey, other), { ...header, kid: other.id }, claims)
    await assert.rejects(verify(forged), refused(/it is unknown/))
  })
  await t.test('a token that was never minted is refused', async () => {
    await assert.rejects(
      verify(forge(secret, header, { ...claims, jti: mintId('tok') })),
      refused(/it is unknown/),
    )
  })
  await t.test('a flood of invented key ids causes one read of the keys', async () => {
    clock.nowMs += 10_000
    const before = store.asked.keys
    const flood = Array.from({ length: 200 }, () => forge(secret, { ...header, kid: mintId('key') }, claims))
    await Promise.allSettled(flood.map((each) => verify(each)))
    assert.equal(store.asked.keys - before, 1)
  })
})

test('any text as a bearer is refused as unauthenticated', async () => {
  const { verify, newToken } = rig()
  const { token } = await newToken()
  const parts = token.split('.')
  const text = fc.oneof(
    fc.string(),
    fc
      .array(fc.oneof(fc.constantFrom(...parts), fc.base64String()), { maxLength: 5 })
      .map((each) => each.join('.')),
  )
  await fc.assert(
    fc.asyncProperty(text, async (bearer) => {
      fc.pre(bearer !== token)
      await assert.rejects(verify(bearer), (error) => isCode(error, 'unauthenticated'))
    }),
    { numRuns: 500 },
  )
})

// A world of its own: it counts every pin, in every status.
import { strict as assert } from 'node:assert'
import { createHmac, randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { base32upper } from 'multiformats/bases/base32'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import {
  allStatuses,
  apiOf,
  bodyOf,
  refusalOf,
  type Api,
  type Answer,
  type WirePage,
  type WireStatus,
} from '../testing/clients/api.ts'
import { freshBlocks, lostCid } from '../testing/content.ts'
import { rawRequest, requestText } from './raw-http.ts'
import { eachInFlight, until } from '../testing/settle.ts'
import { specConformance, type Conforms } from './spec.ts'
import { World } from '../testing/world/world.ts'

suite('the pinning spec, and the requests of real clients beyond it', () => {
  let world: World
  let api: Api
  let other: Api
  let conforms: Conforms

  before(async () => {
    conforms = specConformance()
    world = await World.start()
    api = await world.api()
    other = await world.newOrg('other')
  })

  after(() => world[Symbol.asyncDispose]())

  const get = (query: string): Promise<Answer> => api.send('GET', `/pins${query}`)

  suite('who may ask', () => {
    const routes: [method: string, path: string][] = [
      ['GET', '/pins'],
      ['POST', '/pins'],
      ['GET', '/pins/some-id'],
      ['POST', '/pins/some-id'],
      ['DELETE', '/pins/some-id'],
    ]
    const secret = randomBytes(32)
    const now = Math.floor(Date.now() / 1000)

    /** A token like the valid one except for `header` and `claims`, signed with a key that the server does not know. */
    function forged(header: object, claims: object = {}): string {
      const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
      const [, body = ''] = api.token.split('.')
      const real: object = JSON.parse(Buffer.from(body, 'base64url').toString())
      const signed = `${part(header)}.${part({ ...real, ...claims })}`
      return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
    }

    /** The header of the valid token. */
    function realHeader(): Record<string, unknown> {
      return JSON.parse(Buffer.from(api.token.split('.')[0] ?? '', 'base64url').toString())
    }

    const badTokens: [what: string, authorization: () => string | undefined][] = [
      ['none', () => undefined],
      ['an empty header', () => ''],
      ['Bearer and nothing', () => 'Bearer '],
      ['another scheme', () => `Basic ${api.token}`],
      ['garbage', () => 'Bearer not-a-token'],
      ['three dots of garbage', () => 'Bearer a.b.c'],
      ['a cut signature', () => `Bearer ${api.token.slice(0, -4)}`],
      ['no signature', () => `Bearer ${api.token.slice(0, api.token.lastIndexOf('.') + 1)}`],
      ['changed claims', () => `Bearer ${tampered()}`],
      ['a wrong key under a known kid', () => `Bearer ${forged(realHeader())}`],
      [
        'an unknown kid',
        () => `Bearer ${forged({ ...realHeader(), kid: 'key_00000000000000000000000000' })}`,
      ],
      ['no kid', () => `Bearer ${forged({ ...realHeader(), kid: undefined })}`],
      ['alg none', () => `Bearer ${forged({ ...realHeader(), alg: 'none' }).replace(/[^.]*$/, '')}`],
      ['alg HS512', () => `Bearer ${forged({ ...realHeader(), alg: 'HS512' })}`],
      ['alg RS256', () => `Bearer ${forged({ ...realHeader(), alg: 'RS256' })}`],
      ['10 KB of token', () => `Bearer ${'x'.repeat(10_000)}`],
    ]

    function tampered(): string {
      const [header = '', body = '', signature = ''] = api.token.split('.')
      const claims = { ...JSON.parse(Buffer.from(body, 'base64url').toString()), exp: now + 10 ** 9 }
      return [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.')
    }

    for (const [what, authorization] of badTokens) {
      test(`${what} as a token: 401 on every route, before anything else is checked`, async () => {
        const before = (await api.list({ status: allStatuses })).count
        for (const [method, path] of routes) {
          const header = authorization()
          const response = await fetch(`${api.url}${path}`, {
            method,
            headers: {
              'content-type': 'application/json',
              ...(header === undefined ? {} : { authorization: header }),
            },
            ...(method === 'POST' ? { body: JSON.stringify({ cid: await lostCid() }) } : {}),
          })
          const answer = { status: response.status, headers: response.headers, text: await response.text() }
          refusalOf(answer, 401)
          conforms(method, path === '/pins' ? '/pins' : '/pins/{requestid}', answer)
          assert.ok(!answer.text.includes(api.token), 'a refusal repeats a token')
        }
        assert.equal((await api.list({ status: allStatuses })).count, before, 'something was stored')
      })
    }

    test('an expired token: 401', async () => {
      const short = apiOf(api.url, await world.mintToken('other', 'pins:read', '1s'))
      await until('the token expires', async () => (await short.send('GET', '/pins')).status === 401)
      refusalOf(await short.send('GET', '/pins'), 401)
    })

    test('a token without the scope is refused with the name of the scope, and changes nothing', async () => {
      const reader = apiOf(api.url, await world.mintToken('other', 'pins:read'))
      const pin = await other.post({ cid: await lostCid() })
      assert.equal((await reader.get(pin.requestid)).requestid, pin.requestid)
      assert.match(
        refusalOf(await reader.send('POST', '/pins', { body: { cid: await lostCid() } }), 403).details,
        /pins:write/,
      )
      assert.match(
        refusalOf(
          await reader.send('POST', `/pins/${pin.requestid}`, { body: { cid: await lostCid() } }),
          403,
        ).details,
        /pins:(write|delete)/,
      )
      assert.match(
        refusalOf(await reader.send('DELETE', `/pins/${pin.requestid}`), 403).details,
        /pins:delete/,
      )
      assert.equal((await reader.get(pin.requestid)).requestid, pin.requestid)
      await other.remove(pin.requestid)
    })

    test('mint-token prints the token alone, or its details too with --json', async () => {
      assert.match(await world.mintToken('other'), /^[\w-]+\.[\w-]+\.[\w-]+$/)
      const json = await world.anchorage(
        'admin',
        'mint-token',
        '--org',
        'other',
        '--scopes',
        'pins:read',
        '--ttl',
        '1d',
        '--json',
      )
      const minted: Record<string, string> = JSON.parse(json)
      assert.deepEqual(Object.keys(minted).toSorted(), ['expiresAt', 'id', 'kid', 'token'])
      assert.equal((await apiOf(api.url, minted.token ?? '').send('GET', '/pins')).status, 200)
    })

    test('tokens stay valid when the signing key is rotated', async () => {
      const before = apiOf(api.url, await world.mintToken('other'))
      await world.anchorage('admin', 'rotate-key')
      const after = apiOf(api.url, await world.mintToken('other'))
      const kid = (token: string): unknown =>
        JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
      assert.notEqual(kid(before.token), kid(after.token))
      await until('the new key is known', async () => (await after.send('GET', '/pins')).status === 200)
      for (const token of [before, api]) assert.equal((await token.send('GET', '/pins')).status, 200)
    })
  })

  suite('transport', () => {
    test('methods that a path does not have: 405 with Allow', async () => {
      for (const method of ['PUT', 'PATCH', 'DELETE', 'TRACE', 'QUERY', 'PROPFIND']) {
        const answer = await rawRequest(api.url, requestText(method, '/v1/pins', api.token))
        refusalOf(answer, 405)
        assert.match(answer.headers.get('allow') ?? '', /GET.*POST|POST.*GET/, method)
      }
      for (const method of ['PUT', 'PATCH', 'TRACE', 'QUERY']) {
        const answer = await rawRequest(api.url, requestText(method, '/v1/pins/some-id', api.token))
        refusalOf(answer, 405)
        assert.match(answer.headers.get('allow') ?? '', /DELETE/, method)
      }
    })

    test('an unknown method is refused in JSON', async () => {
      refusalOf(await rawRequest(api.url, requestText('BREW', '/v1/pins', api.token)), 400, 405, 501)
    })

    test('unknown paths: 404 in JSON', async () => {
      for (const path of ['/nope', '/pins/a/b', '/%00', '/pins/%'])
        refusalOf(await api.send('GET', path), 400, 404)
      const outside = await fetch(new URL('/nope', api.url))
      refusalOf({ status: outside.status, headers: outside.headers, text: await outside.text() }, 404, 401)
    })

    test('a body that is too long: 413', async () => {
      const answer = await api.send('POST', '/pins', {
        body: { cid: await lostCid(), name: 'x'.repeat(4_000_000) },
      })
      refusalOf(answer, 413)
    })

    test('another content type, or none: 400 or 415', async () => {
      const body = JSON.stringify({ cid: await lostCid() })
      for (const type of [
        'text/plain',
        'application/xml',
        'application/x-www-form-urlencoded',
        'application/jsonp',
        'nonsense',
      ]) {
        refusalOf(await api.send('POST', '/pins', { body, headers: { 'content-type': type } }), 400, 415)
      }
      refusalOf(await rawRequest(api.url, requestText('POST', '/v1/pins', api.token, [], body)), 400, 415)
    })

    test('application/json with a charset is JSON', async () => {
      const body = JSON.stringify({ cid: await lostCid() })
      const headers = { 'content-type': 'Application/JSON; charset=utf-8' }
      assert.equal((await api.send('POST', '/pins', { body, headers })).status, 202)
    })

    test('headers that are too long: 431 in JSON', async () => {
      const long = requestText('GET', '/v1/pins', api.token, [`x-long: ${'y'.repeat(300_000)}`])
      const answer = await rawRequest(api.url, long)
      refusalOf(answer, 431)
      assert.equal(answer.headers.get('access-control-allow-origin'), '*', 'a page may read it')
    })

    test('a request line of 45 KB is answered in JSON', async () => {
      refusalOf(await get(`?name=${'n'.repeat(45_000)}`), 400, 414, 431)
      refusalOf(await get(`/${'n'.repeat(45_000)}`), 404, 414, 431)
      refusalOf(await get(`?name=${'n'.repeat(500_000)}`), 400, 414, 431)
    })

    const malformed: [what: string, bytes: string][] = [
      ['no HTTP at all', 'hello there\r\n\r\n'],
      ['a space in the path', 'GET /v1/ pins HTTP/1.1\r\nhost: x\r\n\r\n'],
      ['an unknown version', 'GET /v1/pins HTTP/9.9\r\nhost: x\r\n\r\n'],
      ['a header without a colon', 'GET /v1/pins HTTP/1.1\r\nhost: x\r\nbroken\r\n\r\n'],
      ['a NUL in a header', 'GET /v1/pins HTTP/1.1\r\nhost: x\r\nx-y: a\0b\r\n\r\n'],
      [
        'two lengths',
        'POST /v1/pins HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}',
      ],
      ['a length that is no number', 'POST /v1/pins HTTP/1.1\r\nhost: x\r\ncontent-length: two\r\n\r\n{}'],
      [
        'a length and chunks',
        'POST /v1/pins HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      ],
      [
        'a broken chunk',
        'POST /v1/pins HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n',
      ],
      ['no host', 'GET /v1/pins HTTP/1.1\r\n\r\n'],
    ]
    for (const [what, bytes] of malformed) {
      test(`malformed HTTP (${what}) is refused in JSON`, async () => {
        refusalOf(await rawRequest(api.url, bytes), 400, 401, 505)
      })
    }

    test('a preflight needs no token and allows what browsers must send', async () => {
      const methods = { '/pins': ['get', 'post'], '/pins/some-id': ['get', 'post', 'delete'] }
      for (const [path, wanted] of Object.entries(methods)) {
        const response = await fetch(`${api.url}${path}`, {
          method: 'OPTIONS',
          headers: {
            origin: 'http://webui.example',
            'access-control-request-method': 'DELETE',
            'access-control-request-headers': 'authorization,content-type',
          },
        })
        assert.ok(response.ok, String(response.status))
        const allowed = (name: string): string =>
          (response.headers.get(`access-control-allow-${name}`) ?? '').toLowerCase()
        assert.ok(['*', 'http://webui.example'].includes(allowed('origin')))
        for (const method of wanted) assert.ok(allowed('methods').includes(method), method)
        for (const header of ['authorization', 'content-type'])
          assert.ok(allowed('headers').includes(header), header)
      }
    })

    test('pages of other origins may read answers and refusals', async () => {
      const from = { headers: { origin: 'http://webui.example' } }
      for (const answer of [
        await api.send('GET', '/pins', from),
        await api.send('GET', '/pins?limit=0', from),
      ]) {
        assert.ok(answer.headers.get('access-control-allow-origin'), String(answer.status))
      }
    })
  })

  suite('accepting', () => {
    test('202 with a queued or pinning status, the pin as sent, and delegates to connect to', async () => {
      const pin = { cid: await lostCid(), name: 'a name', meta: { app: 'x', other: '' } }
      const answer = await api.send('POST', '/pins', { body: pin })
      conforms('POST', '/pins', answer)
      const status = bodyOf<WireStatus>(answer, 202)
      assert.ok(['queued', 'pinning'].includes(status.status))
      assert.deepEqual(status.pin, pin)
      assert.match(status.created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      assert.ok(status.delegates.length >= 1 && status.delegates.length <= 20)
      for (const delegate of status.delegates) assert.match(delegate, /\/p2p\/[^/]+$/)
      assert.deepEqual((await api.get(status.requestid)).pin, pin)
    })

    test('a pin without a name has no name, not null', async () => {
      const status = await api.post({ cid: await lostCid() })
      assert.ok(!('name' in status.pin))
      assert.ok(!('name' in (await api.get(status.requestid)).pin))
    })

    test('the CID comes back as the client spelled it, and any spelling finds it', async () => {
      const cid = CID.parse('bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi')
      const spellings = [cid.toString(), cid.toString(base58btc), cid.toString(base32upper)]
      for (const spelling of spellings) assert.equal((await api.post({ cid: spelling })).pin.cid, spelling)
      for (const spelling of spellings) {
        const found = await api.list({ cid: spelling, status: allStatuses })
        assert.deepEqual(found.results.map((pin) => pin.pin.cid).toReversed(), spellings)
      }
    })

    test('a CIDv0 comes back unchanged, and is found by that spelling', async () => {
      const cid = 'QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR'
      const { requestid } = await api.post({ cid })
      const { results } = await api.list({ cid, status: allStatuses })
      assert.deepEqual(
        results.map((pin) => [pin.requestid, pin.pin.cid]),
        [[requestid, cid]],
      )
    })

    test('the same CID twice makes two pins', async () => {
      const cid = await lostCid()
      const twins = [await api.post({ cid }), await api.post({ cid })]
      assert.notEqual(twins[0]?.requestid, twins[1]?.requestid)
      assert.notEqual(twins[0]?.created, twins[1]?.created)
      assert.equal((await api.list({ cid, status: allStatuses })).count, 2)
    })

    test('unknown properties are ignored, and do not come back', async () => {
      const cid = await lostCid()
      const status = bodyOf<WireStatus>(
        await api.send('POST', '/pins', { body: { cid, surprise: { deep: [1] } } }),
        202,
      )
      assert.deepEqual(status.pin, { cid })
    })

    const anyText: [what: string, text: string][] = [
      ['U+0000', 'a\u0000b'],
      ['U+0001 and its neighbours', '\u0001\u0010\u0001\u0011\u0000'],
      ['letters beyond the BMP', '𝄞❄️👩‍👩‍👧'],
      ['letters of many scripts', 'Ünïcødé ßẞ ΣΑΣ ı İ 漢字 עברית'],
      ['signs of SQL and JSON', `'"\\%_;--/*{}[]$1`],
      ['a lone surrogate', '\ud800'],
      ['nothing at all', ''],
    ]
    for (const [what, text] of anyText) {
      test(`names and meta may hold any text: ${what}`, async () => {
        const pin = { cid: await lostCid(), name: text, meta: { [`k${text}`]: text } }
        const answer = await api.send('POST', '/pins', { body: pin })
        if (what === 'a lone surrogate') {
          // a lone surrogate is not a Unicode string, so JSON cannot carry it; a refusal is correct, a silent loss is not
          if (answer.status === 400) return void refusalOf(answer, 400)
        }
        const status = bodyOf<WireStatus>(answer, 202)
        const stored = await api.get(status.requestid)
        assert.deepEqual(stored.pin, JSON.parse(Buffer.from(JSON.stringify(pin)).toString()))
        for (const filter of [
          { name: text },
          { meta: JSON.stringify(pin.meta) },
          { name: text, match: 'partial' },
        ]) {
          const found = await api.list({ ...filter, status: allStatuses, limit: '1000' })
          assert.ok(
            found.results.some((seen) => seen.requestid === status.requestid),
            JSON.stringify(filter),
          )
        }
      })
    }

    test('the limits of the spec are allowed: 255 code points of name, 20 origins, 1,000 keys of meta', async () => {
      const origins = Array.from(
        { length: 20 },
        (_, n) => `/ip4/127.0.0.1/tcp/${n + 1}/p2p/12D3KooWQCfHpredgVVothFUNntXFvKuneCUC29NUcrpLNTh9byB`,
      )
      const meta = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`key ${n}`, `value ${n}`]))
      const pin = { cid: await lostCid(), name: '𝄞'.repeat(255), origins, meta }
      const status = bodyOf<WireStatus>(await api.send('POST', '/pins', { body: pin }), 202)
      assert.equal(status.pin.name, pin.name)
      assert.deepEqual((await api.get(status.requestid)).pin.meta, meta)
      await api.remove(status.requestid)
    })
  })

  suite('unusable origins do not make a pin fail', () => {
    const at = (port: number) =>
      `/ip4/127.0.0.1/tcp/${port}/p2p/12D3KooWQCfHpredgVVothFUNntXFvKuneCUC29NUcrpLNTh9byB`
    const many = Array.from({ length: 26 }, (_, n) => at(n + 1))
    const sent: [what: string, origins: string[], kept: string[] | undefined, passedOver: RegExp][] = [
      ['26 of them', many, many.slice(0, 20), /^6 of 26: /],
      ['the same twice', [at(1), at(1)], [at(1)], /^1 of 2: /],
      ['an unknown protocol', ['/ip9/1.2.3.4/p2p/x', at(1)], [at(1)], /^1 of 2: .*\/ip9\/1\.2\.3\.4/],
      [
        'no /p2p/ at the end',
        ['/ip4/127.0.0.1/tcp/4001'],
        undefined,
        /^1 of 1: .*\/ip4\/127\.0\.0\.1\/tcp\/4001/,
      ],
      ['a broken peer id', ['/ip4/127.0.0.1/tcp/4001/p2p/nobody'], undefined, /^1 of 1: .*nobody/],
    ]
    for (const [what, origins, kept, passedOver] of sent) {
      test(`${what}: the others are kept, and the answer names the ignored ones`, async () => {
        const cid = await lostCid()
        const first = bodyOf<WireStatus>(await api.send('POST', '/pins', { body: { cid, origins } }), 202)
        const path = `/pins/${first.requestid}`
        const second = bodyOf<WireStatus>(await api.send('POST', path, { body: { cid, origins } }), 202)
        for (const { pin, info } of [first, second]) {
          assert.deepEqual(pin.origins, kept)
          assert.match(info?.origins_passed_over ?? '', passedOver)
        }
        assert.deepEqual((await api.get(second.requestid)).pin.origins, kept)
        await api.remove(second.requestid)
      })
    }
  })

  suite('refusing', () => {
    const good = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
    const peer = '12D3KooWQCfHpredgVVothFUNntXFvKuneCUC29NUcrpLNTh9byB'
    const badPins: [field: string, what: string, pin: unknown][] = [
      ['body', 'null', null],
      ['body', 'a list', []],
      ['body', 'a string', '"cid"'],
      ['body', 'cut JSON', '{"cid":'],
      ['body', 'nothing', ''],
      ['cid', 'missing', {}],
      ['cid', 'null', { cid: null }],
      ['cid', 'a number', { cid: 7 }],
      ['cid', 'empty', { cid: '' }],
      ['cid', 'not a CID', { cid: 'hello' }],
      ['cid', 'an IPFS path', { cid: `/ipfs/${good}` }],
      ['cid', 'cut', { cid: good.slice(0, -3) }],
      ['cid', 'with a space', { cid: `${good} ` }],
      ['cid', 'with U+0000', { cid: `${good}\u0000` }],
      ['cid', '100 KB of it', { cid: 'b'.repeat(100_000) }],
      ['name', 'null', { cid: good, name: null }],
      ['name', 'a number', { cid: good, name: 7 }],
      ['name', '256 letters', { cid: good, name: 'n'.repeat(256) }],
      ['name', '256 code points', { cid: good, name: '𝄞'.repeat(256) }],
      ['origins', 'null', { cid: good, origins: null }],
      ['origins', 'a string', { cid: good, origins: `/ip4/127.0.0.1/tcp/1/p2p/${peer}` }],
      ['origins', 'numbers', { cid: good, origins: [7] }],
      ['origins', 'not a multiaddr', { cid: good, origins: ['hello'] }],
      ['origins', '1,001', { cid: good, origins: Array(1001).fill(`/ip4/127.0.0.1/tcp/1/p2p/${peer}`) }],
      ['meta', 'null', { cid: good, meta: null }],
      ['meta', 'a list', { cid: good, meta: [] }],
      ['meta', 'a string', { cid: good, meta: 'a=b' }],
      ['meta', 'a number as value', { cid: good, meta: { app: 7 } }],
      ['meta', 'null as value', { cid: good, meta: { app: null } }],
      ['meta', 'an object as value', { cid: good, meta: { app: {} } }],
      [
        'meta',
        '1,001 keys',
        { cid: good, meta: Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [`k${n}`, ''])) },
      ],
    ]
    for (const [field, what, pin] of badPins) {
      test(`${field} (${what}): a 400 that names it, for a new pin and for a replace, and nothing is stored`, async () => {
        const old = await other.post({ cid: await lostCid(), name: 'kept' })
        for (const path of ['/pins', `/pins/${old.requestid}`]) {
          const answer = await other.send('POST', path, {
            body: typeof pin === 'string' ? pin : JSON.stringify(pin),
          })
          conforms('POST', path === '/pins' ? '/pins' : '/pins/{requestid}', answer)
          assert.match(refusalOf(answer, 400).details.toLowerCase(), new RegExp(field))
        }
        assert.equal((await other.list({ cid: good, status: allStatuses })).count, 0)
        assert.equal((await other.get(old.requestid)).pin.name, 'kept')
        await other.remove(old.requestid)
      })
    }

    const badQueries: [field: string, query: string][] = [
      ...['0', '1001', '-1', 'ten', '1.5', '1e3', '10 ', '+10', '0x10'].map((value): [string, string] => [
        'limit',
        value,
      ]),
      ...[
        '',
        'yesterday',
        '2020',
        '2020-01-01',
        '2020-13-01T00:00:00Z',
        '2020-01-01T00:00:00',
        '2020-02-30T00:00:00Z',
        '0',
      ].flatMap((value): [string, string][] => [
        ['before', value],
        ['after', value],
      ]),
      ['cid', ''],
      ['cid', 'hello'],
      ['cid', `${good},`],
      ['cid', `${good},${good}`],
      ['cid', `${good}\u0000`],
      ['cid[0]', good],
      ['status[0]', 'failed'],
      ['Status', 'failed'],
      ['name[]', 'x'],
      ['limit[]', '5'],
      ['before[]', '2020-01-01T00:00:00Z'],
      ['match', 'fuzzy'],
      ['match', ''],
      ['match', 'EXACT'],
      ['name', 'n'.repeat(256)],
      ['status', ''],
      ['status', 'done'],
      ['status', 'pinned,done'],
      ['status', 'pinned,'],
      ['status', 'pinned,pinned'],
      ['status', 'PINNED'],
      ['meta', 'a=b'],
      ['meta', ''],
      ['meta', '[]'],
      ['meta', '"text"'],
      ['meta', 'null'],
      ['meta', '{"a":1}'],
      ['meta', '{"a":null}'],
      ['meta', '{"a":"b"'],
    ]
    for (const [field, value] of badQueries) {
      test(`GET /pins with ${field}=${JSON.stringify(value.slice(0, 80))}: a 400 that names it`, async () => {
        const answer = await get(`?${new URLSearchParams({ [field]: value })}`)
        conforms('GET', '/pins', answer)
        assert.ok(refusalOf(answer, 400).details.includes(field))
      })
    }

    test('eleven CIDs: a 400 that names cid; ten are fine', async () => {
      const cids = (await freshBlocks(11)).map((block) => block.cid)
      for (const separator of [',', '&cid=', '&cid[]=']) {
        assert.match(refusalOf(await get(`?cid=${cids.join(separator)}`), 400).details, /cid/)
        assert.equal((await get(`?cid=${cids.slice(1).join(separator)}`)).status, 200)
      }
    })

    test('an id of another form is 404 on every route, and nothing is added', async () => {
      const before = (await api.list({ status: allStatuses })).count
      const ids = [
        'some-id',
        '0',
        '%20',
        'pin_',
        'pin_01h455vb4pex5vsknk084sn02q',
        'org_01h455vb4pex5vsknk084sn02q',
        '%F0%9D%84%9E',
        '..%2f..',
        '%00',
        'x'.repeat(5000),
      ]
      for (const id of ids) {
        for (const method of ['GET', 'POST', 'DELETE']) {
          const body = method === 'POST' ? { body: { cid: await lostCid() } } : {}
          const answer = await api.send(method, `/pins/${id}`, body)
          refusalOf(answer, 404)
          conforms(method, '/pins/{requestid}', answer)
        }
      }
      assert.equal((await api.list({ status: allStatuses })).count, before)
    })

    test('no log contains a token, and refusals are not logged as errors', async () => {
      const logs = await world.logs()
      assert.match(logs, /"level":/, 'there is a log to look at')
      assert.ok(!logs.includes(api.token.split('.')[2] ?? api.token), 'a token was logged')
      assert.doesNotMatch(logs, /"level":(50|60)/)
    })
  })

  suite('replacing and removing', () => {
    test('a replace is a new pin in the place of the old one', async () => {
      const old = await api.post({ cid: await lostCid(), name: 'before' })
      const pin = { cid: await lostCid(), name: 'after', meta: { turn: '2' } }
      const answer = await api.send('POST', `/pins/${old.requestid}`, { body: pin })
      conforms('POST', '/pins/{requestid}', answer)
      const status = bodyOf<WireStatus>(answer, 202)
      assert.notEqual(status.requestid, old.requestid)
      assert.ok(status.created > old.created)
      assert.deepEqual(status.pin, pin)
      refusalOf(await api.send('GET', `/pins/${old.requestid}`), 404)
      assert.equal((await api.list({ cid: old.pin.cid, status: allStatuses })).count, 0)
      refusalOf(await api.send('POST', `/pins/${old.requestid}`, { body: pin }), 404)
      assert.equal((await api.list({ cid: pin.cid, status: allStatuses })).count, 1)
    })

    test('exactly one of several concurrent replaces of one pin wins', async () => {
      const name = `race ${randomBytes(4).toString('hex')}`
      const old = await api.post({ cid: await lostCid(), name })
      const cids = (await freshBlocks(8)).map((block) => block.cid)
      const answers = await Promise.all(
        cids.map((cid) => api.send('POST', `/pins/${old.requestid}`, { body: { cid, name } })),
      )
      assert.deepEqual(statusesOf(answers), [202, ...Array<number>(7).fill(404)])
      assert.equal((await api.list({ name, status: allStatuses })).count, 1)
    })

    test('a delete answers 202 without a body, once', async () => {
      const pin = await api.post({ cid: await lostCid() })
      const answers = await Promise.all([1, 2, 3, 4].map(() => api.send('DELETE', `/pins/${pin.requestid}`)))
      assert.deepEqual(statusesOf(answers), [202, 404, 404, 404])
      assert.equal(answers.find((answer) => answer.status === 202)?.text, '')
      refusalOf(await api.send('GET', `/pins/${pin.requestid}`), 404)
      assert.equal((await api.list({ cid: pin.pin.cid, status: allStatuses })).count, 0)
    })

    test('a DELETE with a content type and an empty body is accepted', async () => {
      for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/plain']) {
        const pin = await api.post({ cid: await lostCid() })
        const answer = await api.send('DELETE', `/pins/${pin.requestid}`, {
          body: '',
          headers: { 'content-type': type },
        })
        assert.equal(answer.status, 202, answer.text)
      }
    })

    test('a base URL that ends in a slash works; for one that ends in /pins, the answer names the right URL', async () => {
      const pin = await api.post({ cid: await lostCid() })
      const slashed = apiOf(`${api.url}/`, api.token)
      assert.equal((await slashed.get(pin.requestid)).requestid, pin.requestid)
      assert.equal((await slashed.list({ cid: pin.pin.cid })).count, 1)
      await slashed.remove(pin.requestid)
      const wrong = apiOf(`${api.url}/pins`, api.token)
      for (const path of ['/pins', `/pins/${pin.requestid}`])
        assert.match(refusalOf(await wrong.send('GET', path), 404).details, /base URL .* \/v1/)
    })
  })

  suite('listing', () => {
    let lister: Api
    let pins: WireStatus[]

    before(async () => {
      lister = await world.newOrg('lister')
      pins = []
      for (const [n, block] of (await freshBlocks(25)).entries()) {
        const name = ['Alpha', 'alpha', 'ALPHABET', 'beta 100%', 'be_ta', 'Straße'][n % 6] ?? ''
        const meta = { number: String(n), parity: n % 2 === 0 ? 'even' : 'odd' }
        pins.unshift(await lister.post({ cid: block.cid, name, meta }))
      }
    })

    const ids = (page: { requestid: string }[]): string[] => page.map((pin) => pin.requestid)
    const named = (...names: string[]): string[] =>
      ids(pins.filter((pin) => names.includes(pin.pin.name ?? '')))
    const found = async (query: Record<string, string>): Promise<string[]> =>
      ids((await lister.list({ status: allStatuses, limit: '1000', ...query })).results)

    test('is newest first, ten at a time, with the count of all', async () => {
      const answer = await lister.send('GET', `/pins?status=${allStatuses}`)
      conforms('GET', '/pins', answer)
      const page = bodyOf<WirePage>(answer, 200)
      assert.equal(page.count, 25)
      assert.deepEqual(ids(page.results), ids(pins.slice(0, 10)))
    })

    test('created is unique and increasing at milliseconds', () => {
      const times = pins.map((pin) => Date.parse(pin.created))
      for (const [n, time] of times.entries()) if (n > 0) assert.ok(time < (times[n - 1] ?? 0))
    })

    test('before and after are exclusive, shrink the count, and take offsets and fractions of any length', async () => {
      const tenth = pins[9]?.created ?? ''
      const before = await lister.list({ status: allStatuses, before: tenth, limit: '1000' })
      assert.deepEqual(ids(before.results), ids(pins.slice(10)))
      assert.equal(before.count, 15)
      const after = await lister.list({ status: allStatuses, after: tenth, limit: '5' })
      assert.deepEqual(ids(after.results), ids(pins.slice(0, 5)))
      assert.equal(after.count, 9)
      const at = Date.parse(tenth)
      for (const zone of ['+02:00', '+0200']) {
        const offset = new Date(at + 2 * 3600_000).toISOString().replace('Z', zone)
        assert.deepEqual(await found({ before: offset }), ids(pins.slice(10)))
      }
      assert.deepEqual(await found({ before: tenth.replace('Z', '5Z') }), ids(pins.slice(9)))
      assert.deepEqual(await found({ before: tenth.replace('Z', '000000000Z') }), ids(pins.slice(10)))
      assert.deepEqual(
        await found({ after: pins[12]?.created ?? '', before: tenth }),
        ids(pins.slice(10, 12)),
      )
    })

    test('by name: exact, iexact, partial, ipartial', async () => {
      assert.deepEqual(await found({ name: 'alpha' }), named('alpha'))
      assert.deepEqual(await found({ name: 'alpha', match: 'exact' }), named('alpha'))
      assert.deepEqual(await found({ name: 'ALPHA', match: 'iexact' }), named('Alpha', 'alpha'))
      assert.deepEqual(await found({ name: 'lpha', match: 'partial' }), named('Alpha', 'alpha'))
      assert.deepEqual(await found({ name: 'LPHA', match: 'ipartial' }), named('Alpha', 'alpha', 'ALPHABET'))
      assert.deepEqual(await found({ name: '%', match: 'partial' }), named('beta 100%'))
      assert.deepEqual(await found({ name: '_', match: 'ipartial' }), named('be_ta'))
      assert.deepEqual(await found({ name: 'STRASSE', match: 'iexact' }), named('Straße'))
      assert.deepEqual(await found({ name: 'lph' }), [])
    })

    test('match without a name has no effect', async () => {
      assert.deepEqual(await found({ match: 'partial' }), ids(pins))
    })

    test('by meta: all given pairs must match, as JSON or in the spelling of other clients', async () => {
      const even = ids(pins.filter((pin) => pin.pin.meta?.parity === 'even'))
      assert.deepEqual(await found({ meta: '{"parity":"even"}' }), even)
      assert.deepEqual(
        await found({ meta: '{"parity":"even","number":"4"}' }),
        ids(pins.filter((pin) => pin.pin.meta?.number === '4')),
      )
      assert.deepEqual(await found({ meta: '{"parity":"odd","number":"4"}' }), [])
      assert.deepEqual(await found({ meta: '{"par":"even"}' }), [])
      assert.deepEqual(await found({ meta: '{}' }), ids(pins))
      assert.deepEqual(await found({ 'meta[parity]': 'even' }), even)
      assert.deepEqual(
        await found({ 'meta[parity]': 'even', 'meta[number]': '4' }),
        ids(pins.filter((pin) => pin.pin.meta?.number === '4')),
      )
    })

    test('by status, one or several; without any filter only pinned pins are listed, with any other filter all', async () => {
      assert.equal((await lister.list()).count, 0)
      assert.equal((await lister.list({ name: 'alpha' })).count, named('alpha').length)
      assert.equal((await lister.list({ status: 'pinned', name: 'alpha' })).count, 0)
      assert.equal((await lister.list({ status: 'queued,pinning' })).count, 25)
      assert.equal((await lister.list({ status: 'failed' })).count, 0)
    })

    test('a comma may be sent escaped or unescaped', async () => {
      assert.equal(bodyOf<WirePage>(await lister.send('GET', '/pins?status=queued,pinning'), 200).count, 25)
      assert.equal(bodyOf<WirePage>(await lister.send('GET', '/pins?status=queued%2Cpinning'), 200).count, 25)
    })

    test('a list may be repeated or named in brackets, as generated clients send it', async () => {
      const [one, two] = pins
      const cids = [one, two].map((pin) => pin?.pin.cid)
      for (const name of ['cid', 'cid[]', 'cid%5B%5D']) {
        const query = cids.map((cid) => `${name}=${cid}`).join('&')
        const page = bodyOf<WirePage>(await lister.send('GET', `/pins?${query}`), 200)
        assert.deepEqual(ids(page.results), ids(pins.slice(0, 2)))
      }
      for (const query of ['status=queued&status=pinning', 'status[]=queued&status[]=pinning,failed&limit='])
        assert.equal(bodyOf<WirePage>(await lister.send('GET', `/pins?${query}`), 200).count, 25)
    })

    test('a list without filters has only pinned pins, on every page', async () => {
      const created = pins[9]?.created ?? ''
      for (const page of [{ limit: '2' }, { before: created }, { after: created }])
        assert.equal((await lister.list(page)).count, 0, JSON.stringify(page))
    })

    test('by several filters at once', async () => {
      const [one, two] = pins
      const query = {
        cid: `${one?.pin.cid},${two?.pin.cid}`,
        name: one?.pin.name ?? '',
        meta: JSON.stringify(one?.pin.meta),
      }
      assert.deepEqual(await found(query), ids(pins.slice(0, 1)))
    })

    test('an empty page at the end has a count of 0', async () => {
      const page = await lister.list({ status: allStatuses, before: pins.at(-1)?.created ?? '' })
      assert.deepEqual(page, { count: 0, results: [] })
    })

    test('pages neither skip nor repeat pins while pins are added, replaced and removed', async () => {
      const writer = await world.newOrg('writer')
      const blocks = await freshBlocks(600)
      const stay = await eachInFlight(blocks.slice(0, 300), 16, (block) => writer.post({ cid: block.cid }))
      let busy = true
      const traffic = eachInFlight(blocks.slice(300), 8, async (block) => {
        const added = await writer.post({ cid: block.cid })
        const moved = await writer.replace(added.requestid, { cid: block.cid, name: 'moved' })
        await writer.remove(moved.requestid)
      }).finally(() => (busy = false))
      let walks = 0
      while (busy || walks < 3) {
        const seen = ids(await writer.all({ limit: '20' }))
        assert.equal(new Set(seen).size, seen.length, 'a pin was listed twice in one walk')
        const listed = new Set(seen)
        for (const pin of stay) assert.ok(listed.has(pin.requestid), 'a pin was skipped')
        walks++
      }
      await traffic
      assert.equal((await writer.list({ status: allStatuses })).count, 300)
    })

    test('following the newest pin with after misses no pin that is accepted meanwhile', async () => {
      const writer = await world.newOrg('follower')
      const accepted = new Set<string>()
      const blocks = await freshBlocks(400)
      let busy = true
      const traffic = eachInFlight(blocks, 16, async (block) =>
        accepted.add((await writer.post({ cid: block.cid })).requestid),
      ).finally(() => (busy = false))
      const seen: string[] = []
      let after = '1970-01-01T00:00:00Z'
      for (let done = false; !done;) {
        done = !busy
        const page = await writer.list({ status: allStatuses, after, limit: '1000' })
        seen.push(...ids(page.results))
        after = page.results[0]?.created ?? after
      }
      await traffic
      assert.deepEqual(new Set(seen), accepted)
      assert.equal(seen.length, 400)
    })
  })

  suite('between orgs', () => {
    test('another org’s pin cannot be seen, listed, counted, replaced or removed', async () => {
      const mine = await api.post({ cid: await lostCid(), name: 'mine alone', meta: { mine: 'yes' } })
      refusalOf(await other.send('GET', `/pins/${mine.requestid}`), 404)
      refusalOf(await other.send('POST', `/pins/${mine.requestid}`, { body: { cid: await lostCid() } }), 404)
      refusalOf(await other.send('DELETE', `/pins/${mine.requestid}`), 404)
      for (const filter of [
        { cid: mine.pin.cid },
        { name: 'mine alone' },
        { meta: '{"mine":"yes"}' },
        { name: 'MINE', match: 'ipartial' },
      ]) {
        assert.deepEqual(await other.list({ ...filter, status: allStatuses }), { count: 0, results: [] })
      }
      assert.equal((await api.get(mine.requestid)).pin.name, 'mine alone')
    })

    test('both may pin the same content; each sees its own pin, name and meta', async () => {
      const cid = await lostCid()
      const pins = await Promise.all([api.post({ cid, name: 'ours' }), other.post({ cid, name: 'theirs' })])
      assert.deepEqual(
        await Promise.all(
          [api, other].map(async (org) =>
            (await org.list({ cid, status: allStatuses })).results.map((pin) => pin.pin.name),
          ),
        ),
        [['ours'], ['theirs']],
      )
      await api.remove(pins[0].requestid)
      assert.equal((await other.get(pins[1].requestid)).pin.name, 'theirs')
    })
  })

  suite('beside the spec', () => {
    test('/v1/health and /v1/ready answer without a token', async () => {
      for (const path of ['/health', '/ready']) {
        const response = await fetch(`${api.url}${path}`)
        assert.equal(response.status, 200)
        const { status }: { status: string } = JSON.parse(await response.text())
        assert.equal(status, 'ok', path)
      }
    })

    test('the OpenAPI document and its page are served', async () => {
      const document: { openapi: string; paths: object } = JSON.parse(
        await (await fetch(`${api.url}/openapi.json`)).text(),
      )
      assert.match(document.openapi, /^3\.1\./)
      const page = await fetch(`${api.url}/docs`)
      assert.match(page.headers.get('content-type') ?? '', /^text\/html/)
    })

    test('anchorage migrate status says that the schema is current', async () => {
      assert.match(await world.anchorage('migrate', 'status'), /applied/i)
    })
  })
})

function statusesOf(answers: Answer[]): number[] {
  return answers.map((answer) => answer.status).toSorted((a, b) => a - b)
}

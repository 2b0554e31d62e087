import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PinQuery } from '../../core/pin.ts'
import { cid, fakeServer } from '../../../testing/fakes/http-server.ts'

const v0 = 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'
const headers = { authorization: 'Bearer all' }
const all = encodeURIComponent
const { app, pins } = fakeServer()

/** The query that the use case gets. */
async function asked(query: string): Promise<unknown> {
  pins.calls.length = 0
  const response = await app.inject({ url: `/v1/pins?${query}`, headers })
  assert.equal(response.statusCode, 200, `${query}: ${response.body}`)
  return pins.calls[0]?.arguments[1]
}

async function refused(query: string, details: RegExp): Promise<void> {
  pins.calls.length = 0
  const response = await app.inject({ url: `/v1/pins?${query}`, headers })
  assert.equal(response.statusCode, 400, `${query}: ${response.body}`)
  assert.equal(response.json().error.reason, 'BAD_REQUEST')
  assert.match(response.json().error.details, details, query)
  assert.deepEqual(pins.calls, [])
}

test('valid filters reach the use case', async (t) => {
  const limit = 10
  const exact = 'exact' as const
  const statuses: PinQuery['statuses'] = ['pinned']
  const good: [string, PinQuery][] = [
    ['', { limit, statuses: ['pinned'] }],
    ['&', { limit, statuses: ['pinned'] }],
    ['limit=1', { limit: 1, statuses: ['pinned'] }],
    ['limit=1000', { limit: 1000, statuses: ['pinned'] }],
    ['limit=', { limit, statuses: ['pinned'] }],
    ['limit', { limit, statuses: ['pinned'] }],
    ['match=partial', { limit, statuses: ['pinned'] }],
    ['unknown=1&x[]=2&__proto__=3', { limit, statuses: ['pinned'] }],
    ['unknown=1&unknown=2', { limit, statuses: ['pinned'] }],
    ['status=queued,pinning', { limit, statuses: ['queued', 'pinning'] }],
    ['status=queued%2Cfailed', { limit, statuses: ['queued', 'failed'] }],
    ['name=a', { limit, name: 'a', match: exact }],
    ['name=a%20b+c%2B', { limit, name: 'a b c+', match: exact }],
    ['name=', { limit, name: '', match: exact }],
    ['name', { limit, name: '', match: exact }],
    ['name=a=b', { limit, name: 'a=b', match: exact }],
    ['name=%00', { limit, name: '\0', match: exact }],
    [`name=${all('📌'.repeat(255))}`, { limit, name: '📌'.repeat(255), match: exact }],
    ['name=a&match=ipartial', { limit, name: 'a', match: 'ipartial' }],
    ['n%61me=a', { limit, name: 'a', match: exact }],
    [`cid=${cid},${v0}`, { limit, cids: [cid, v0] }],
    [`cid=${cid}&cid=${v0}`, { limit, cids: [cid, v0] }],
    [`cid[]=${cid}`, { limit, cids: [cid] }],
    [`cid%5B%5D=${cid}&cid[]=${v0}`, { limit, cids: [cid, v0] }],
    ['status=queued,pinning&status=failed', { limit, statuses: ['queued', 'pinning', 'failed'] }],
    ['status[]=failed', { limit, statuses: ['failed'] }],
    [
      'status[]=queued&name=a&status=pinned',
      { limit, statuses: ['queued', 'pinned'], name: 'a', match: exact },
    ],
    [`cid=${cid},f01551220${'00'.repeat(32)}`, { limit, cids: [cid, `bafkreia${'a'.repeat(51)}`] }],
    ['before=2026-01-31T12:00:00Z', { limit, statuses, before: Date.UTC(2026, 0, 31, 12) }],
    ['before=2026-01-31T12:00:00%2B02:00', { limit, statuses, before: Date.UTC(2026, 0, 31, 10) }],
    ['before=2026-01-31T12:00:00+02:00', { limit, statuses, before: Date.UTC(2026, 0, 31, 10) }],
    ['before=2026-01-31T12:00:00.5%2B0000', { limit, statuses, before: Date.UTC(2026, 0, 31, 12) + 500 }],
    ['before=2026-01-31T12:00:00+0200', { limit, statuses, before: Date.UTC(2026, 0, 31, 10) }],
    ['after=2026-01-31T12:00:00.0005Z', { limit, statuses, after: Date.UTC(2026, 0, 31, 12) + 0.5 }],
    [
      'after=2026-01-31T12:00:00Z&before=2026-01-31T12:00:01Z&limit=2',
      { limit: 2, statuses, before: Date.UTC(2026, 0, 31, 12, 0, 1), after: Date.UTC(2026, 0, 31, 12) },
    ],
    [
      'name=a&before=2026-01-31T12:00:00Z',
      { limit, name: 'a', match: exact, before: Date.UTC(2026, 0, 31, 12) },
    ],
    [`meta=${all('{"app":"x","":"\\u0000"}')}`, { limit, meta: { app: 'x', '': '\0' } }],
    [`meta=${all(' {} ')}`, { limit, meta: {} }],
    ['meta[app]=x&meta[user]=y', { limit, meta: { app: 'x', user: 'y' } }],
    ['meta%5Bapp%5D=x', { limit, meta: { app: 'x' } }],
    ['meta[]=x', { limit, meta: { '': 'x' } }],
    ['meta[a]b]=x', { limit, meta: { 'a]b': 'x' } }],
    ['meta=map[app:x]', { limit, meta: { app: 'x' } }],
    ['meta=map%5Bapp%3Ax+user%3Ajane+doe%5D', { limit, meta: { app: 'x', user: 'jane doe' } }],
    ['meta=map[url:http://x]', { limit, meta: { url: 'http://x' } }],
    ['meta=map[]', { limit, meta: {} }],
  ]
  for (const [query, expected] of good) {
    await t.test(query.slice(0, 80), async () => {
      const got = await asked(query)
      assert.deepEqual(got, expected)
    })
  }
  await t.test('__proto__ is a key like any other', async () => {
    const expected = JSON.parse('{"__proto__":"x"}')
    for (const query of ['meta[__proto__]=x', `meta=${all('{"__proto__":"x"}')}`]) {
      assert.equal(JSON.stringify(await asked(query)), JSON.stringify({ limit, meta: expected }))
    }
  })
})

test('invalid filters are refused by name', async () => {
  const other = (i: number) => `f01551220${String(i).padStart(64, '0')}`
  const wrong: [string, RegExp][] = [
    ...[
      '0',
      '-1',
      '1001',
      '1e1',
      '%2B5',
      '+5',
      '%205',
      '5.0',
      '5.5',
      'x',
      '0x10',
      '１',
      'null',
      '9'.repeat(30),
      '1,2',
    ].map((limit): [string, RegExp] => [`limit=${all(decodeURIComponent(limit))}`, /^limit: must be/]),
    ['limit=1&limit=1', /^limit: give it once/],
    ['limit=&limit=1', /^limit: give it once/],
    ['name=a&name=b', /^name: give it once/],
    ['cid=a&cid=b', /^cid: not a CID/],
    [`cid=${cid}&cid=${cid}`, /^cid: must not contain the same item twice/],
    [`cid=${cid}&cid[]=${cid}`, /^cid: must not contain the same item twice/],
    [Array.from({ length: 11 }, (_, i) => `cid=${other(i)}`).join('&'), /^cid: must have at most 10/],
    ['status=queued&status=done', /^status.1: must be one of/],
    ['status=queued&status=', /^status.1/],
    ['status[]=', /^status.0/],
    ...[
      'status[0]',
      'status[',
      'status[]]',
      'status[a]',
      'Status',
      'STATUS[]',
      'status.in',
      'statuses',
      ' status',
    ].map((name): [string, RegExp] => [
      `${all(name)}=failed`,
      /^ ?status.*: write it as status=STATUS,STATUS$/i,
    ]),
    ...['cid[0]', 'cid[][]', 'CID', 'cids', 'cids[]'].map((name): [string, RegExp] => [
      `${all(name)}=${cid}`,
      /^cid.*: write it as cid=CID,CID$/i,
    ]),
    ...['name', 'match', 'before', 'after', 'limit'].flatMap((name) =>
      [`${name}[]`, `${name}[0]`, `${name.toUpperCase()}`].map((wrong): [string, RegExp] => [
        `${wrong}=1`,
        new RegExp(`^${name}.*: write it as ${name}=VALUE$`, 'i'),
      ]),
    ),
    ...['meta[a', 'meta.a', 'Meta[a]', 'META'].map((name): [string, RegExp] => [
      `${all(name)}=x`,
      /^meta.*: write it as meta=\{"KEY":"VALUE"\} or meta\[KEY\]=VALUE$/i,
    ]),
    [`name=${'x'.repeat(256)}`, /^name: must have at most 255 characters/],
    [`name=${'x'.repeat(45_000)}`, /^name/],
    ['name=%FF', /^name: .*percent-encoding/],
    ['name=%', /^name: .*percent-encoding/],
    ['name=%E2%82', /^name: .*percent-encoding/],
    ['name=%ED%A0%80', /^name: .*percent-encoding/],
    ['%FF=a', /name of a query parameter/],
    ['match=EXACT&name=a', /^match: must be one of exact/],
    ['match=', /^match/],
    ['status=', /^status.0: must be one of/],
    ['status=Pinned', /^status.0/],
    ['status=queued,', /^status.1/],
    ['status=queued, pinned', /^status.1/],
    ['status=queued,queued', /^status: must not contain the same item twice/],
    ['cid=', /^cid: not a CID/],
    ['cid=nonsense', /^cid: not a CID/],
    [`cid=${cid},`, /^cid: not a CID/],
    [`cid=${cid},${cid}`, /^cid: must not contain the same item twice/],
    [`cid=${Array.from({ length: 11 }, (_, i) => other(i)).join(',')}`, /^cid: must have at most 10/],
    [`cid=z${'2'.repeat(45_000)}`, /^cid.0: must have at most/],
    ...[
      '',
      'yesterday',
      '2026',
      '2026-13-01T00:00:00Z',
      '2026-02-30T00:00:00Z',
      '2026-01-01',
      '1767225600000',
      '2026-01-01T00:00:00',
    ].flatMap((instant): [string, RegExp][] => [
      [`before=${instant}`, /^before: must be an RFC 3339/],
      [`after=${instant}`, /^after: must be an RFC 3339/],
    ]),
    ['before=2026-01-01T00:00:00Z&before=2026-01-01T00:00:00Z', /^before: give it once/],
    ...['', 'x', '{', '[]', '"x"', 'null', '7', '["a"]'].map((meta): [string, RegExp] => [
      `meta=${all(meta)}`,
      /^meta: must be a JSON object/,
    ]),
    [`meta=${all('{"a":1}')}`, /^meta.a: must be a string/],
    [`meta=${all('{"a":{"b":"c"}}')}`, /^meta.a/],
    [`meta=${all('{"a":"\\ud800"}')}`, /^meta.a: .*surrogate/],
    [
      `meta=${all(JSON.stringify(Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`k${i}`, '']))))}`,
      /^meta: must have at most 10 /,
    ],
    ['meta=map[a:b', /^meta: must be a JSON object/],
    ['meta=map[a]', /^meta: each pair/],
    ['meta[a]=x&meta[a]=y', /^meta: give each key once/],
    [`meta[a]=x&meta=${all('{"b":"y"}')}`, /^meta: .*not both/],
  ]
  for (const [query, details] of wrong) await refused(query, details)
})

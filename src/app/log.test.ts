import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AnchorageError } from '../core/errors.ts'
import { IpfsError } from '../core/ipfs-error.ts'
import { createLog } from './log.ts'
import { redact } from './redact.ts'
import { Secret } from '../config/secret.ts'

const token = 'eyJhbGciOiJIUzI1NiIsImtpZCI6ImtleV94In0.eyJpc3MiOiJhbmNob3JhZ2UifQ.c2lnbmF0dXJl'

test('tokens, passwords and keys are removed from a line, whatever part of the line holds them', () => {
  const secrets: object[] = [
    { headers: { authorization: `Bearer ${token}` } },
    { req: { headers: { Authorization: 'Basic dXNlcjpwYXNzd29yZA==', cookie: 'session=s3cr3t-s3cr3t' } } },
    { err: new Error(`connect to postgres://me:pa55word@db:5432/x failed with ${token}`) },
    { err: new Error('outer', { cause: new Error('redis://:pa55word@host') }) },
    { url: 'https://me:pa55word@host/path', nested: [{ token: 'plain-token "quoted" \\' }] },
    { masterKey: 'c2VjcmV0', secret: new Secret('pa55word'), password: 'pa55word' },
    { url: '/v1/auth/callback?code=s3cr3t-s3cr3t&state=pa55word&iss=https://login.example.com' },
    { err: new Error('connect to postgres://me@db:5432/x?password=pa55word&sslmode=require failed') },
    { argv: `--header=Authorization: Bearer ${token}` },
  ]
  for (const pretty of [false, true]) {
    for (const fields of secrets) {
      const written = lines(pretty, (log) => log.info(fields, `asked with ${token}`)).join('')
      assert.doesNotMatch(written, /eyJ|pa55word|s3cr3t|c2VjcmV0|dXNlcjpw|plain-token|quoted/, written)
      assert.match(written, /\*\*\*/)
    }
  }
})

/** Each kind of secret, in the form in which it occurs. */
const shapes: ((secret: string) => string)[] = [
  (secret) => `"token":${JSON.stringify(secret)}`,
  (secret) => `"set-cookie" : ${JSON.stringify(secret)}`,
  (secret) => `{"client_secret":"${JSON.stringify(secret).slice(1, -1)}`,
  (secret) => `Bearer ${secret}`,
  (secret) => `authorization: basic  ${secret}`,
  (secret) => `eyJhbGci.${secret}.${secret}`,
  (secret) => `/v1/auth/callback?code=${secret}`,
  (secret) => `&id_token_hint=${secret}`,
  (secret) => `postgres://me@db:5432/x?password=${secret}`,
  (secret) => `postgres://me:${secret}@db:5432/x`,
  (secret) => `redis://:p@${secret}@db`,
]

/** Text that may surround a secret, much of it with the beginnings and ends of other secrets. */
const around = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 5 }),
      fc.constantFrom(
        '"token":"',
        '"token":',
        '\\',
        '"',
        '\\"',
        'Bearer ',
        'Bearer abcdefgh',
        'eyJ',
        'eyJaaaa.',
        'eyJaaaa.b.',
      ),
      fc.constantFrom(
        '?code=',
        '&state=x',
        '://',
        '://me:',
        '://me:pa',
        '@',
        '/',
        ':',
        ' ',
        '.',
        '-',
        '&',
        '#',
      ),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''))

test('a line without secrets is left unchanged', () => {
  const text =
    'pin pin_01h455vb4pex5vsknk084sn02q of bafkreigh2akiscaildc via /ip4/10.0.0.1/tcp/4001/p2p/12D3Koo at http://host:80/a@b'
  assert.equal(redact(text), text)
})

test('a redacted line of JSON is still JSON', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), around, around, (value, before, after) => {
      const note = shapes.map((shape) => `${before}${shape(value)}${after}`)
      const clean = JSON.parse(redact(JSON.stringify({ authorization: value, token: before, note })))
      assert.deepEqual([clean.authorization, clean.token], ['***', '***'])
    }),
  )
})

test('no secret is left, whatever text surrounds it', () => {
  fc.assert(
    fc.property(fc.constantFrom(...shapes), around, around, (shape, before, after) => {
      const clean = redact(`${before}${shape('5ecre7-5ecre7_5ecre7')}${after}`)
      assert.doesNotMatch(clean, /5ecre7/)
    }),
    { numRuns: 5_000 },
  )
})

test('text without secrets is left unchanged', () => {
  const harmless = fc.constantFrom(
    'QmeyJabcdefgh4wXmmE7DWjhx5NYyQSo1c1Ym7orWxLYv',
    'eyJ.eyJa.b',
    '/ip4/10.0.0.1/tcp/4001/p2p/12D3KooW',
    'https://user@host:8080/a?cursor=7&limit=1#top',
    '://a:://:',
    '{"cid":"bafy","tokens":3,"state":"queued"}',
    'a bearer of bad news, a basic one',
    '"token": null',
    '\\"',
  )
  const text = fc.array(
    fc.oneof(harmless, fc.string({ unit: fc.constantFrom(...Array.from('aZ0 -_.\\\n{}[],;')) })),
  )
  fc.assert(fc.property(text, (words) => assert.equal(redact(words.join(' ; ')), words.join(' ; '))))
})

test('a megabyte of beginnings of secrets is searched in time, and is left unchanged', () => {
  // A redaction in quadratic time would take hours.
  const pieces = [
    'eyJ-',
    'eyJ.',
    'eyJaaaa',
    '://',
    '://a:',
    'Bearer ',
    'Bearer\t\t',
    '"token"',
    '\\"',
    '\\',
    '?code=&',
    'a',
    ' ',
  ]
  for (const piece of pieces) {
    const text = piece.repeat(1e6 / piece.length)
    assert.ok(redact(text) === text, piece)
  }
})

test('a megabyte of secrets is searched in time, and none is left', () => {
  for (const piece of [
    'eyJaaaa.',
    '://a:b@',
    'Bearer abcdefgh',
    '"token":"',
    '"token":"\\"',
    '&code=\\',
    `${token} `,
  ])
    assert.doesNotMatch(redact(piece.repeat(1e6 / piece.length)), /eyJ|b@|abcdefgh|code=[^*]|:"[^*]/, piece)
})

test('a line is one JSON object with level, time, the fields of its subsystem and its own', () => {
  const [line = ''] = lines(false, (log) => log.child({ part: 'http' }).warn({ pinId: 'pin_x' }, 'slow'))
  const { time, ...rest } = JSON.parse(line)
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 10_000)
  assert.deepEqual(rest, { level: 'warn', part: 'http', pinId: 'pin_x', msg: 'slow' })
})

test('for a terminal, a line reads from left to right, with the stack of an error below', () => {
  const [line = ''] = lines(true, (log) =>
    log.child({ part: 'http' }).error({ pinId: 'pin_x', err: new Error('no') }, 'bad'),
  )
  assert.match(line, /^\d\d:\d\d:\d\d ERROR http: bad {2}pinId=pin_x\n {2}Error: no\n {6}at /)
})

test('an error of another server is logged with its causes and no stack, a bug of the program with its stack', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5001'), { code: 'ECONNREFUSED' })
  const hosts = new AggregateError([refused, new Error('connect ECONNREFUSED ::1:5001')])
  const known: [Error, string][] = [
    [
      new IpfsError('kubo_down', 'Kubo is away', { cause: refused }),
      'Kubo is away (connect ECONNREFUSED 127.0.0.1:5001)',
    ],
    [
      new AnchorageError('unavailable', 'try again', { cause: hosts }),
      'try again (connect ECONNREFUSED 127.0.0.1:5001, connect ECONNREFUSED ::1:5001)',
    ],
    [new TypeError('fetch failed', { cause: refused }), 'connect ECONNREFUSED 127.0.0.1:5001'],
  ]
  for (const [err, message] of known) {
    const [line = ''] = lines(false, (log) => log.warn({ err }, 'away'))
    assert.equal(JSON.parse(line).err.message, message)
    assert.doesNotMatch(line, /stack|\\n {4}at /)
    assert.equal(
      lines(true, (log) => log.warn({ err }, 'away'))
        .join('')
        .slice(9),
      `WARN  away: ${message}\n`,
    )
    assert.match(lines(false, (log) => log.warn({ err }, 'away'), 'debug').join(''), /\\n {4}at /)
  }
  const faults = [
    new TypeError('x is not a function'),
    new AnchorageError('internal', 'the database refused a statement', { cause: refused }),
    Object.assign(new Error('write after end'), { code: 'ERR_STREAM_WRITE_AFTER_END' }),
  ]
  for (const err of faults)
    assert.match(lines(false, (log) => log.warn({ err }, 'bad')).join(''), /\\n {4}at /)
})

test('lines below the level are not written', () => {
  assert.deepEqual(
    lines(false, (log) => log.debug({}, 'detail')),
    [],
  )
})

function lines(
  pretty: boolean,
  work: (log: ReturnType<typeof createLog>) => void,
  level: 'info' | 'debug' = 'info',
): string[] {
  const written: string[] = []
  work(createLog({ level, pretty, write: (line) => written.push(line) }))
  return written
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { patience } from '../../test/patience.ts'
import { createLog } from './log.ts'
import { redact } from './redact.ts'
import { Secret } from './secret.ts'

const token = 'eyJhbGciOiJIUzI1NiIsImtpZCI6ImtleV94In0.eyJpc3MiOiJhbmNob3JhZ2UifQ.c2lnbmF0dXJl'

test('tokens, passwords and keys are gone from a line, whatever carried them', () => {
  const secrets: object[] = [
    { headers: { authorization: `Bearer ${token}` } },
    { req: { headers: { Authorization: 'Basic dXNlcjpwYXNzd29yZA==', cookie: 'session=s3cr3t-s3cr3t' } } },
    { err: new Error(`connect to postgres://me:pa55word@db:5432/x failed with ${token}`) },
    { err: new Error('outer', { cause: new Error('redis://:pa55word@host') }) },
    { url: 'https://me:pa55word@host/path', nested: [{ token: 'plain-token "quoted" \\' }] },
    { masterKey: 'c2VjcmV0', secret: new Secret('pa55word'), password: 'pa55word' },
    { url: '/v1/auth/callback?code=s3cr3t-s3cr3t&state=pa55word&iss=https://login.example.com' },
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

test('a line without secrets is left as it is', () => {
  const text =
    'pin pin_01h455vb4pex5vsknk084sn02q of bafkreigh2akiscaildc via /ip4/10.0.0.1/tcp/4001/p2p/12D3Koo at http://host:80/a@b'
  assert.equal(redact(text), text)
})

test('a redacted line of JSON is still JSON', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), (value, other) => {
      const clean = JSON.parse(
        redact(JSON.stringify({ authorization: value, token: other, note: `Bearer ${value}` })),
      )
      assert.deepEqual([clean.authorization, clean.token], ['***', '***'])
    }),
  )
})

test('redacting takes time linear in the text', () => {
  // In time that grows with the square of the length, this would take hours.
  const started = performance.now()
  for (const piece of ['://', '://a:', 'eyJaaaa.', 'Bearer ', '"token":"', '\\"'])
    redact(piece.repeat(100_000))
  assert.ok(performance.now() - started < patience.usualMs)
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

test('lines below the level are not written', () => {
  assert.deepEqual(
    lines(false, (log) => log.debug({}, 'detail')),
    [],
  )
})

function lines(pretty: boolean, work: (log: ReturnType<typeof createLog>) => void): string[] {
  const written: string[] = []
  work(createLog({ level: 'info', pretty, write: (line) => written.push(line) }))
  return written
}

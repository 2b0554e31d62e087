import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnchorageError, inOneLine } from './errors.ts'

const refused = (address: string) => new Error(`connect ECONNREFUSED ${address}`)

test('an error that causes itself is printed without an endless loop', () => {
  const round = new Error('round')
  round.cause = new Error('and round', { cause: round })
  assert.equal(inOneLine(round), 'round (and round)')
})

test('an error and its causes are printed in one line, each once', () => {
  const cases: [unknown, string][] = [
    ['a text', 'a text'],
    [new Error('no'), 'no'],
    [new RangeError(''), 'RangeError'],
    [
      new AnchorageError('unavailable', 'NATS cannot be reached: refused', {
        cause: new Error('refused', { cause: refused('10.0.0.1:4222') }),
      }),
      'NATS cannot be reached: refused (connect ECONNREFUSED 10.0.0.1:4222)',
    ],
    [
      new Error('outer', { cause: new Error('middle', { cause: new Error('inner') }) }),
      'outer (middle: inner)',
    ],
    [new TypeError('fetch failed', { cause: refused('10.0.0.1:80') }), 'connect ECONNREFUSED 10.0.0.1:80'],
    [
      new AggregateError([refused('127.0.0.1:80'), refused('::1:80')]),
      'connect ECONNREFUSED 127.0.0.1:80, connect ECONNREFUSED ::1:80',
    ],
    [new Error('no', { cause: 'said in words' }), 'no (said in words)'],
  ]
  assert.deepEqual(
    cases.map(([error]) => inOneLine(error)),
    cases.map(([, line]) => line),
  )
})

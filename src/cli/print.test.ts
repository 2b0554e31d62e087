import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, duration, printable } from './print.ts'
import { layTable } from './table.ts'

test('the columns of a table are as wide as they need to be, without trailing blanks', () => {
  assert.equal(
    table(
      ['ID', 'NAME'],
      [
        ['1', 'naïve'],
        ['22', ''],
      ],
    ),
    'ID  NAME\n1   naïve\n22\n',
  )
})

test('a name from a stranger cannot move the cursor, ring the bell or reverse the line', () => {
  assert.equal(printable('a\u001b[2Jb\u0007\u202ec\u0000\n'), 'a\\u001b[2Jb\\u0007\\u202ec\\u0000\\u000a')
  assert.equal(printable('日本 👍 é'), '日本 👍 é')
  assert.doesNotMatch(table(['N'], [['\u001b[31m']]), /\u001b/)
})

test('bytes are shown in a fitting unit', () => {
  assert.deepEqual([0, 1023, 1024, 1536, 104_857_600, 5 * 2 ** 40].map(bytes), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '100 MiB',
    '5.0 TiB',
  ])
})

test('durations show their two largest units', () => {
  assert.deepEqual([0, 350, 41_000, 61_000, 3_600_000, 7_512_000, 90_061_000].map(duration), [
    '0ms',
    '350ms',
    '41s',
    '1m 1s',
    '1h',
    '2h 5m',
    '1d 1h',
  ])
})

/** A table that is as wide as it needs to be. */
function table(head: string[], rows: string[][]): string {
  return layTable(
    head.map((each) => ({ head: each, rank: 1 })),
    rows,
    null,
  ).text
}

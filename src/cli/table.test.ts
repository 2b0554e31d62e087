import assert from 'node:assert/strict'
import { test } from 'node:test'
import picocolors from 'picocolors'
import fc from 'fast-check'
import { layTable, type Column } from './table.ts'

const columns: Column[] = [
  { head: 'ID', rank: 1, least: 8 },
  { head: 'NAME', rank: 1 },
  { head: 'ZONE', rank: 3 },
  { head: 'STATE', rank: 2, colour: (paint, text) => paint.red(text) },
]
const rows = [
  ['bafybeigdyrzt5sfp7', 'anchor-1', 'eu', 'live'],
  ['b', 'anchor-2', 'us', 'silent'],
]

test('without a bound, everything is shown in full', () => {
  const { text, left, cut } = layTable(columns, rows, null)
  assert.deepEqual([left, cut], [0, 0])
  assert.equal(
    text,
    'ID                  NAME      ZONE  STATE\nbafybeigdyrzt5sfp7  anchor-1  eu    live\nb                   anchor-2  us    silent\n',
  )
})

test('a table that is too wide is cut at the middle of cells first; then the least important column is left out', () => {
  const cut = layTable(columns, rows, 34)
  assert.deepEqual([cut.left, cut.cut], [0, 1])
  assert.match(cut.text, /^bafybe…fp7 {2}anchor-1 {2}eu {4}live$/m)
  const gone = layTable(columns, rows, 26)
  assert.deepEqual([gone.left, gone.cut], [1, 1])
  assert.match(gone.text, /^ID +NAME +STATE$/m)
  const last = layTable(columns, rows, 20)
  assert.match(last.text, /^ID +NAME$/m)
  assert.match(last.text, /^b +anchor-2$/m)
})

test('letters that are two columns wide, or none, keep the columns aligned', () => {
  const head: Column[] = [
    { head: 'NAME', rank: 1, least: 6 },
    { head: 'X', rank: 1 },
  ]
  const wide = [
    ['日本語', '1'],
    ['e\u0301te\u0301', '1'],
    ['👍👍', '1'],
    ['\u1112\u1161\u11ab', '1'],
  ]
  assert.equal(
    layTable(head, wide, null).text,
    'NAME    X\n日本語  1\ne\u0301te\u0301     1\n👍👍    1\n\u1112\u1161\u11ab      1\n',
  )
})

test('a wide letter that does not fit is left out as a whole', () => {
  const head: Column[] = [{ head: 'N', rank: 1 }]
  assert.equal(layTable(head, [['日本 語日本']], 6).text, 'N\n日本 …\n')
})

test('colours apply only to the cell, and do not count in its width', () => {
  const { text } = layTable(columns, rows, null, picocolors.createColors(true))
  assert.match(text, /us {4}\u001b\[31msilent\u001b\[39m\n/)
  assert.equal(text.replaceAll(/\u001b\[\d+m/g, ''), layTable(columns, rows, null).text)
})

test('no line is wider than the terminal, whatever the cells contain', () => {
  const cell = fc.string({ maxLength: 40, unit: fc.constantFrom('a', ' ', '日', '👍', '-') })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(cell, cell, cell, cell)),
      fc.integer({ min: 14, max: 90 }),
      (cells, width) => {
        for (const line of layTable(columns, cells, width).text.split('\n'))
          assert.ok(widthOf(line) <= width, `${JSON.stringify(line)} in ${width}`)
      },
    ),
  )
})

function widthOf(line: string): number {
  return Array.from(line).reduce((sum, letter) => sum + (/[日👍語本]/u.test(letter) ? 2 : 1), 0)
}

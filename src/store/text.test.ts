import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fold, fromText, toText } from './text.ts'

const strings = fc.string({ unit: fc.constantFrom('\u0000', '\u0001', '\u0010', '\u0011', 'a', 'ß', '😀') })

test('stored text comes back as it was sent, and contains no U+0000', () => {
  fc.assert(
    fc.property(strings, (text) => {
      assert.equal(fromText(toText(text)), text)
      assert.ok(!toText(text).includes('\u0000'))
    }),
  )
})

test('different strings stay different', () => {
  fc.assert(fc.property(strings, strings, (a, b) => assert.equal(toText(a) === toText(b), a === b)))
})

test('strings that differ only in case fold to the same string', () => {
  for (const [a, b] of [
    ['Straße', 'STRASSE'],
    ['ΣΊΣΥΦΟΣ', 'σίσυφος'],
    ['İ', 'i̇'],
  ] as const)
    assert.equal(fold(a), fold(b))
  fc.assert(fc.property(strings, (text) => assert.equal(fold(fold(text)), fold(text))))
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { instantMs } from './instant.ts'

test('dates, fractions and offsets', () => {
  const good: [string, number][] = [
    ['1970-01-01T00:00:00Z', 0],
    ['2020-07-27T17:32:28.276Z', Date.UTC(2020, 6, 27, 17, 32, 28, 276)],
    ['2020-07-27t17:32:28z', Date.UTC(2020, 6, 27, 17, 32, 28)],
    ['2020-07-27T17:32:28.2764Z', Date.UTC(2020, 6, 27, 17, 32, 28, 276) + 0.4],
    ['2020-07-27T17:32:28+02:00', Date.UTC(2020, 6, 27, 15, 32, 28)],
    ['2020-07-27T17:32:28 02:00', Date.UTC(2020, 6, 27, 15, 32, 28)],
    ['2020-07-27T17:32:28-05:30', Date.UTC(2020, 6, 27, 23, 2, 28)],
    ['2020-07-27T17:32:28-00:00', Date.UTC(2020, 6, 27, 17, 32, 28)],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
    ['2016-12-31T23:59:60Z', Date.UTC(2017, 0, 1)],
    ['2017-01-01T00:59:60+01:00', Date.UTC(2017, 0, 1)],
    ['9999-12-31T23:59:59.999Z', Date.UTC(9999, 11, 31, 23, 59, 59, 999)],
    ['0001-01-01T00:00:00Z', -62_135_596_800_000],
    ['0000-02-29T00:00:00Z', -62_162_121_600_000],
  ]
  for (const [text, ms] of good) {
    const read = instantMs(text)
    assert.ok(read !== null && Math.abs(read - ms) < 0.001, `${text}: ${read}, expected ${ms}`)
  }
})

test('what is no date-time is null', () => {
  const wrong = [
    '',
    'x',
    '2020',
    '2020-07-27',
    '2020-07-27T17:32Z',
    '2020-07-27T17:32:28',
    '2020-13-01T00:00:00Z',
    '2020-00-01T00:00:00Z',
    '2020-02-30T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '2020-01-00T00:00:00Z',
    '2020-01-01T24:00:00Z',
    '2020-01-01T00:60:00Z',
    '2020-01-01T00:00:61Z',
    '2020-01-01T12:00:60Z',
    '2020-01-01T00:00:00.Z',
    '2020-01-01T00:00:00,5Z',
    '2020-01-01T00:00:00+24:00',
    '2020-01-01T00:00:00+01:60',
    '2020-01-01T00:00:00+0100',
    '2020-01-01 00:00:00Z',
    '20200101T000000Z',
    '+020200-01-01T00:00:00Z',
    '2020-01-01T00:00:00Z\n',
    ' 2020-01-01T00:00:00Z',
    '1595871148276',
    '２０２０-01-01T00:00:00Z',
  ]
  for (const text of wrong) assert.equal(instantMs(text), null, text)
})

test('whatever Date writes is read back', () => {
  const date = fc.date({
    min: new Date('0000-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59.999Z'),
    noInvalidDate: true,
  })
  fc.assert(
    fc.property(date, (each) => {
      const read = instantMs(each.toISOString())
      assert.ok(read !== null && Math.round(read) === each.getTime())
    }),
  )
})

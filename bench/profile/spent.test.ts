import { strict as assert } from 'node:assert'
import { test } from 'node:test'
import { callsIn, timesIn } from './spent.ts'

const stat =
  '812 (postgres: a) b (c) S 1 812 812 0 -1 4194560 5512 90210 1 12 131 42 700 260 20 0 1 0 4711 231 6054 184467'

test('the times of a process are read behind a program name with blanks and brackets', () => {
  assert.deepEqual(timesIn(stat, false), { userMs: 1310, systemMs: 420 })
})

test('the times of children that ended are added when asked for', () => {
  assert.deepEqual(timesIn(stat, true), { userMs: 8310, systemMs: 3020 })
})

test('calls and bytes are read from the fields of /proc/PID/io', () => {
  const io =
    'rchar: 6976\nwchar: 12\nsyscr: 10\nsyscw: 3\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n'
  assert.deepEqual(callsIn(io), { reads: 10, writes: 3, readBytes: 6976, writtenBytes: 12 })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import picocolors from 'picocolors'
import { AnchorageError } from '../core/errors.ts'
import { behind, display } from './display.ts'
import type { Io } from './verb.ts'

test('in a pipe, --watch prints the state again when it changed, and Ctrl-C ends it with success', async () => {
  const it = watching({ terminal: null }, ['a', 'a', 'b'])
  await it.ended
  assert.deepEqual(it.out, ['a\n', 'b\n'])
  assert.deepEqual(it.err, [])
})

test('with --json, --watch prints one line for each change', async () => {
  const it = watching({ terminal: { columns: 80 }, json: true }, ['a', 'b', 'b'])
  await it.ended
  assert.deepEqual(it.out, ['{"is":"a"}\n', '{"is":"b"}\n'])
})

test('a brief outage does not end --watch: it shows the failure and reads again', async () => {
  const it = watching({ terminal: null }, ['a', new AnchorageError('unavailable', 'Postgres is away'), 'b'])
  await it.ended
  assert.deepEqual(it.out, ['a\n', 'b\n'])
  assert.deepEqual(it.err, ['Postgres is away; asking again\n'])
})

test('Ctrl-C does not wait for an answer that does not come', async () => {
  const stop = new AbortController()
  const out: string[] = []
  let asked = 0
  const read = async (): Promise<string> => {
    asked += 1
    if (asked === 1) return 'a'
    queueMicrotask(() => stop.abort())
    return await new Promise<string>(() => {})
  }
  const shown = { read, screen: (text: string) => ({ text: `${text}\n` }), json: (text: string) => text }
  await display(shown, true, { ...ioOf(out, []), signal: stop.signal }, 1)
  assert.deepEqual(out, ['a\n'])
})

test('a permanent failure ends --watch', async () => {
  const it = watching({ terminal: { columns: 80 } }, ['a', new AnchorageError('not_found', 'it is gone')])
  await assert.rejects(it.ended, { code: 'not_found' })
  assert.match(it.out.at(-1) ?? '', /\u001b\[\?1049l/, 'the terminal is as it was')
})

test('on a terminal the state is redrawn, never higher than the terminal; the last state stays', async () => {
  const long = Array.from({ length: 30 }, (_, i) => `line ${i}`).join('\n')
  const away = new AnchorageError('unavailable', 'Postgres is away')
  const it = watching({ terminal: { columns: 80, rows: 10 } }, ['first', away, long])
  await it.ended
  const [enter = '', first = '', troubled = '', last = '', leave = ''] = it.out
  assert.ok(enter.includes('\u001b[?1049h'))
  assert.ok(first.startsWith('\u001b[H') && first.includes('first\u001b[K\n') && first.endsWith('\u001b[J'))
  assert.match(troubled, /first[^]*Postgres is away; asking again/)
  assert.equal(last.split('\n').length - 1, 9)
  assert.match(last, /… 22 more lines/)
  assert.ok(leave.startsWith('\u001b[?7h\u001b[?25h\u001b[?1049l') && leave.endsWith('line 29\n'))
})

test('without --watch the state is shown once, with its notes', async () => {
  const out: string[] = []
  const err: string[] = []
  const shown = {
    read: async () => 'a',
    screen: (text: string) => ({ text: `${text}\n`, notes: ['and more'] }),
    json: (text: string) => ({ is: text }),
  }
  const io = { ...ioOf(out, err), signal: new AbortController().signal }
  await display(shown, undefined, io)
  await display(shown, undefined, { ...io, json: true })
  assert.deepEqual([out, err], [['a\n', '{"is":"a"}\n'], ['and more\n']])
})

test('log lines do not appear in a picture that is redrawn', () => {
  const err: string[] = []
  const io = { ...ioOf([], err), signal: new AbortController().signal }
  const terminal = { columns: 80 }
  behind({ ...io, terminal }, true).err('in the picture')
  behind({ ...io, terminal }, undefined).err('shown once')
  behind(io, true).err('piped')
  assert.deepEqual(err, ['shown once', 'piped'])
})

/** Watches these states, or failures to read one, and presses Ctrl-C after the last one. */
function watching(given: Partial<Io>, states: (string | Error)[]) {
  const stop = new AbortController()
  const out: string[] = []
  const err: string[] = []
  const left = [...states]
  const read = async (): Promise<string> => {
    const next = left.shift()
    if (next === undefined) {
      stop.abort()
      throw new Error('stopped')
    }
    if (next instanceof Error) throw next
    return next
  }
  const shown = {
    read,
    screen: (text: string) => ({ text: `${text}\n` }),
    json: (text: string) => ({ is: text }),
  }
  const io = { ...ioOf(out, err), ...given, signal: stop.signal }
  return { out, err, ended: display(shown, true, io, 1) }
}

function ioOf(out: string[], err: string[]): Omit<Io, 'signal'> {
  return {
    env: {},
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    terminal: null,
    json: false,
    yes: false,
    wide: false,
    paint: picocolors.createColors(false),
    configFlags: [],
  }
}

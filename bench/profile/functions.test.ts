import { strict as assert } from 'node:assert'
import { test } from 'node:test'
import { sharesOf, type CpuProfile } from './functions.ts'

const frames: [functionName: string, url: string, lineNumber: number][] = [
  ['(root)', '', -1],
  ['(idle)', '', -1],
  ['(garbage collector)', '', -1],
  ['writev', '', -1],
  ['accept', 'file:///repo/src/core/pins.ts', 41],
  ['', 'file:///repo/node_modules/@nats-io/nats-core/lib/parser.js', 9],
  ['emit', 'node:events', 488],
  ['accept', 'file:///repo/src/core/pins.ts', 41],
]
const nodes = frames.map(([functionName, url, lineNumber], id) => ({
  id,
  callFrame: { functionName, url, lineNumber },
}))
const profile = (samples: [id: number, lasts: number][]): CpuProfile => ({
  nodes,
  samples: [...samples.map(([id]) => id), 0],
  timeDeltas: [0, ...samples.map(([, lasts]) => lasts)],
})

test('a function has its share of the time that was not idle, whoever called it', () => {
  const { functions } = sharesOf(
    profile([
      [1, 900],
      [4, 20],
      [3, 50],
      [7, 30],
    ]),
    '/repo',
  )
  assert.deepEqual(functions.slice(0, 2), [
    { name: 'accept src/core/pins.ts:42', share: 0.5 },
    { name: 'writev', share: 0.5 },
  ])
})

test('places are folders of src, packages, parts of Node, and what V8 does itself', () => {
  const { places } = sharesOf(
    profile([
      [4, 40],
      [5, 25],
      [6, 15],
      [3, 12],
      [2, 8],
    ]),
    '/repo',
  )
  assert.deepEqual(
    places.slice(0, 5).map(({ name }) => name),
    ['src/core', '@nats-io/nats-core', 'node:', '(built in)', '(garbage collector)'],
  )
})

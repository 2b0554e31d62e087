import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClock } from '../../testing/fakes/clock.ts'
import { recordingLog } from '../../testing/recording-log.ts'
import { AnchorageError, isCode } from '../core/errors.ts'
import { mintId } from '../core/ids.ts'
import { bareClaim, NameHeld, type ClaimedNode } from '../core/name-claim.ts'
import { takeName } from './boot.ts'

const identity = { nodeId: mintId('nod'), incarnation: 2 }
const held = () => Promise.reject(new NameHeld('conflict', 'another process runs as the node a'))

/** Starts to take the name `a` from a store that answers with `answers`, the last one again and again. */
function taking(answers: (() => Promise<typeof identity>)[], others: ClaimedNode[] = []) {
  const clock = fakeClock()
  const log = recordingLog()
  let asked = 0
  const boot = () => answers[Math.min(asked++, answers.length - 1)]?.() ?? assert.fail()
  const taken = takeName(
    {
      config: { node: { name: 'a', zone: undefined, announce: [] } },
      store: { nodes: { boot, claims: async () => others } },
      clock,
      log,
    },
    { ...bareClaim, settings: { 'pin.replicas': '2' } },
    new AbortController().signal,
  )
  taken.catch(() => {})
  return { taken, clock, log, asked: () => asked }
}

test('a name that is held is asked for again until its process counts as gone', async () => {
  const { taken, clock, asked } = taking([held, held, held, async () => identity])
  await clock.pass(3_000)
  assert.deepEqual(await taken, identity)
  assert.equal(asked(), 4)
})

test('a name whose process goes on giving signs of life is refused after 20 s', async () => {
  const { taken, clock, asked } = taking([held])
  await clock.pass(20_000)
  await assert.rejects(
    taken,
    (error) => isCode(error, 'conflict') && /another process runs/.test(error.message),
  )
  assert.equal(asked(), 21)
})

test('a name of another machine is refused at once', async () => {
  const { taken, asked } = taking([() => Promise.reject(new AnchorageError('conflict', 'another data.dir'))])
  await assert.rejects(taken, /another data\.dir/)
  assert.equal(asked(), 1)
})

test('a node that starts during a change of a setting logs which node has another value', async () => {
  const other = {
    ...bareClaim,
    name: 'b',
    machine: 'm',
    live: true,
    silentMs: 0,
    settings: { 'pin.replicas': '1' },
  }
  const { taken, log } = taking([async () => identity], [other])
  await taken
  assert.ok(log.said.some((line) => line.startsWith('pin.replicas is 2 here, and 1 on the node b')))
})

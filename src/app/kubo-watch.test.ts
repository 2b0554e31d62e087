import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mintId } from '../core/ids.ts'
import { IpfsError } from '../core/ipfs-error.ts'
import type { Log } from '../core/ports.ts'
import { silentLog } from '../core/silent-log.ts'
import { fakeClock } from '../../testing/fakes/clock.ts'
import { fakeIpfs } from '../../testing/fakes/kubo.ts'
import { kuboWatch } from './kubo-watch.ts'

/** The warnings of a node whose Kubo answers `followUps` like this. */
async function warnings(strict: boolean, followUps: () => Promise<string[]>): Promise<string[]> {
  const clock = fakeClock()
  const warned: string[] = []
  const log: Log = {
    debug() {},
    info() {},
    warn: (_fields, message) => void warned.push(message),
    error: assert.fail,
    child: () => log,
  }
  const watch = kuboWatch({
    ipfs: Object.assign(fakeIpfs({ clock }), { followUps }),
    store: { bindKubo: async () => {} },
    node: { nodeId: mintId('nod'), incarnation: 1 },
    announce: [],
    strict,
    clock,
    log,
    onAnnounced: async () => {},
    onReturn: () => {},
    onChange: () => {},
  })
  const stop = new AbortController()
  const running = watch.run(stop.signal)
  await clock.pass(20_000)
  assert.equal(watch.trouble(), null)
  stop.abort()
  await running
  return warned
}

test('a Kubo that may be led into private networks is warned of once, only if private origins are not dialled, and serves all the same', async () => {
  const open = async () => ['this is open', 'that is on']
  assert.deepEqual(await warnings(true, open), [
    'strangers may make Kubo connect to private networks: this is open (docs/operate.md, "Kubo\'s own dials")',
    'strangers may make Kubo connect to private networks: that is on (docs/operate.md, "Kubo\'s own dials")',
  ])
  assert.deepEqual(await warnings(false, open), [])
  assert.deepEqual(await warnings(true, async () => []), [])
  assert.deepEqual(await warnings(true, () => Promise.reject(new Error('not allowed'))), [
    'the config of Kubo could not be read to check which addresses it dials by itself',
  ])
})

test('a Kubo that no longer answers is noticed within two seconds, and its node says so at once', async () => {
  const clock = fakeClock()
  let identity: () => Promise<{ peerId: string; multiaddrs: string[]; version: string }> = async () => ({
    peerId: 'peer',
    multiaddrs: [],
    version: '0.43.0',
  })
  const answers = identity
  let changes = 0
  const watch = kuboWatch({
    ipfs: Object.assign(fakeIpfs({ clock }), { identity: () => identity() }),
    store: { bindKubo: async () => {} },
    node: { nodeId: mintId('nod'), incarnation: 1 },
    announce: [],
    strict: false,
    clock,
    log: silentLog,
    onAnnounced: async () => {},
    onReturn: () => {},
    onChange: () => changes++,
  })
  assert.equal(watch.unable()?.what, 'kubo', 'a node has no Kubo until it answers')
  const stop = new AbortController()
  const running = watch.run(stop.signal)
  await clock.pass(1_000)
  assert.deepEqual([watch.unable(), changes], [null, 1])
  identity = () => Promise.reject(new IpfsError('kubo_down', 'connection refused'))
  await clock.pass(2_000)
  assert.partialDeepStrictEqual(watch.unable(), { what: 'kubo', reason: 'connection refused' })
  await clock.pass(30_000)
  assert.ok((watch.unable()?.forMs ?? 0) >= 30_000)
  assert.equal(changes, 2)
  identity = answers
  await clock.pass(1_000)
  assert.deepEqual([watch.unable(), changes], [null, 3])
  stop.abort()
  await running
})

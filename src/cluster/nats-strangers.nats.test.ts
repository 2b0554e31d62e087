import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import { election, hintPasses, natsRig, well } from '../../testing/servers/nats-rig.ts'
import { until } from '../../testing/settle.ts'
import { testNats } from '../../testing/servers/nats.ts'
import { makeClusterCa, makeClusterSecret, makeNodeCertificate } from './cluster-ca.ts'

before(async () => {
  await using _ = await testNats(process.env)
})

suite('a server outside of the cluster', { concurrency: true }, () => {
  for (const [what, change] of [
    ['secret', () => Promise.resolve({ secret: makeClusterSecret() })],
    [
      "certificate, of another CA, and trusts the cluster's",
      (it: Awaited<ReturnType<typeof natsRig>>) =>
        it.servers.files(makeNodeCertificate(makeClusterCa(), ['127.0.0.1'])),
    ],
  ] as const) {
    test(`a server with another ${what} gets no route, and says why`, async () => {
      await using it = await natsRig(3)
      const over = await change(it)
      const children = await Promise.all(
        it.servers.seats.map((seat, number) => seat.start(it.servers.all, number === 2 ? over : {})),
      )
      const [one, two, stranger] = children.map(it.join)
      assert.ok(one && two && stranger)
      await well(one.link)
      await hintPasses(one, two, 1)
      const why = await until('the reason', () => stranger.child.routeTrouble(), election)
      assert.match(why, /route|rid:/i)
      assert.notEqual(stranger.link.trouble(), null)
      await hintPasses(two, one, 2)
      assert.notEqual(stranger.link.trouble(), null)
    })
  }
})

// A world of its own: the suite waits for a minute, and holds up no other test here.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { installSuite, runSuite, type SuiteRun } from './compliance/suite.ts'
import { startOutsideKubo } from './outside-kubo.ts'
import { specFile } from './spec.ts'
import { World } from '../testing/world/world.ts'

// the runs are concurrent, each in an org of its own, because the suite spends most of its time waiting
suite('the pinning services’ own compliance suite', { concurrency: true }, () => {
  let home: string
  let world: World

  before(async () => {
    home = await installSuite()
    world = await World.start()
  })

  after(() => world[Symbol.asyncDispose]())

  test('passes all nine checks when no peer has the content', async () => {
    allPassed(await runSuite(home, await endpoint('without-content')))
  })

  test('passes all nine checks when the node already has the content', async () => {
    const contentRpc = await world.value('KUBO_RPC_1')
    allPassed(await runSuite(home, { ...(await endpoint('with-content')), contentRpc }))
  })

  test('passes all nine checks when a connected peer has the content', async () => {
    await using outside = await startOutsideKubo()
    const node =
      (await (await world.api()).post({ cid: 'bafkqaaa' })).delegates[0] ?? assert.fail('no delegates')
    await outside.rpc.call('swarm/connect', [['arg', node]])
    allPassed(await runSuite(home, { ...(await endpoint('with-peer')), contentRpc: outside.rpc.url }))
  })

  async function endpoint(slug: string): Promise<{ url: string; token: string; spec: string }> {
    const { url, token } = await world.newOrg(slug)
    return { url, token, spec: specFile }
  }
})

function allPassed({ checks, said }: SuiteRun): void {
  const failed = checks.filter((check) => !check.passed).map((check) => check.name)
  assert.deepEqual(failed, [], said)
  assert.equal(checks.length, 9, said)
}

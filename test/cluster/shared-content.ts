import { strict as assert } from 'node:assert'
import { before, suite, test } from 'node:test'
import { apiOf, type Api } from '../../testing/clients/api.ts'
import { until } from '../../testing/settle.ts'
import type { ClusterStage } from './stage.ts'

/**
 * Each test waits for the leader's sweep, which runs every few seconds. The tests run concurrently, so that they wait for the same
 * sweep.
 */
export function sharedContent(at: ClusterStage): void {
  suite('content that several orgs share, on two of three nodes', { concurrency: true }, () => {
    /** Each org uses a node of its own. */
    let one: Api
    let two: Api

    before(async () => {
      one = await at.world.newOrg('first')
      const { token } = await at.world.newOrg('second')
      two = apiOf((await at.world.api(2)).url, token)
    })

    async function pinnedTwice(): Promise<{ cid: string; pins: [string, string] }> {
      const cid = await at.offeredCid()
      const pin = { cid, origins: [at.outside.address], meta: { 'anchorage.replicas': '2' } }
      const posted = await Promise.all([one, two].map((api) => api.post(pin)))
      const [mine, others] = posted.map(({ requestid }) => requestid)
      assert.ok(mine && others)
      await until('both are pinned', async () => {
        const pins = await Promise.all([one.get(mine), two.get(others)])
        return pins.every(({ status }) => status === 'pinned')
      })
      assert.equal((await at.holders(cid)).length, 2)
      return { cid, pins: [mine, others] }
    }

    const gone = (cid: string): Promise<boolean> => at.heldBy(cid, 0)

    for (const first of [0, 1] as const) {
      test(`when org ${first + 1} deletes its pin first, the content stays on both nodes; the last deletion unpins it everywhere`, async () => {
        const { cid, pins } = await pinnedTwice()
        const apis = [one, two] as const
        await apis[first].remove(pins[first])
        // Unwanted content is unpinned after the same grace: when the marker is gone, this content would be gone too.
        const marker = await pinnedTwice()
        await one.remove(marker.pins[0])
        await two.remove(marker.pins[1])
        await gone(marker.cid)
        assert.equal((await at.holders(cid)).length, 2)
        const last = first === 0 ? 1 : 0
        assert.equal((await apis[last].get(pins[last])).status, 'pinned')
        await apis[last].remove(pins[last])
        await gone(cid)
      })
    }

    test('when both orgs delete at once, each at its own node, the content is unpinned everywhere', async () => {
      const all = await Promise.all(Array.from({ length: 10 }, pinnedTwice))
      await Promise.all(all.flatMap(({ pins }) => [one.remove(pins[0]), two.remove(pins[1])]))
      for (const { cid } of all) await gone(cid)
    })
  })
}

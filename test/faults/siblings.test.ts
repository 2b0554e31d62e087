// A world of its own: its Kubos are killed, and one of them is cut off from the others by its config.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { shuffled } from './chance.ts'
import { freshBlocks } from '../../testing/content.ts'
import { patience } from '../../testing/patience.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger } from '../../testing/world/ledger.ts'
import { until } from '../../testing/settle.ts'
import { World } from '../../testing/world/world.ts'

suite('Kubos and their siblings', () => {
  let world: World
  const ledger = new Ledger()

  before(async () => {
    world = await World.start({ nodes: 3 })
    await world.well()
  })
  after(() => world[Symbol.asyncDispose]())

  /** The number of Kubos that the Kubo of node `n` is connected to. */
  async function connections(n: number): Promise<number> {
    const said: { Peers: unknown[] | null } = JSON.parse(await (await world.kubo(n)).call('swarm/peers'))
    return said.Peers?.length ?? 0
  }

  async function restartKubo(n: number): Promise<void> {
    await world.restarted('kubo', await world.kill('kubo', n), n)
  }

  const troublesOf = async (n: number) => (await world.ready(n)).reasons.map(({ what }) => what)

  for (const n of shuffled([1, 2, 3] as const))
    test(`the Kubo of node ${n} restarts: it is connected to its siblings again within seconds`, async (t) => {
      await until('all are connected', async () => (await connections(n)) === 2)
      await restartKubo(n)
      const backAt = performance.now()
      await until('it is connected again', async () => (await connections(n)) === 2)
      t.diagnostic(`connected again after ${((performance.now() - backAt) / 1000).toFixed(1)} s`)
      await world.well()
    })

  test('a Kubo whose filters keep private addresses out is reported by its node, in admin nodes and by the pins that it holds up', async () => {
    const kubo = await world.kubo(2)
    const filters = await kubo.call('config', [['arg', 'Swarm.AddrFilters']])
    const { Value: usual }: { Value: string[] } = JSON.parse(filters)
    const filter = (networks: string[]) =>
      kubo.call('config', [
        ['arg', 'Swarm.AddrFilters'],
        ['arg', JSON.stringify(networks)],
        ['json', 'true'],
      ])
    await filter([...usual, '/ip4/127.0.0.0/ipcidr/8'])
    await restartKubo(2)
    const reported = async () => (await troublesOf(2)).includes('siblings')
    await until('node 2 says that its Kubo is alone', reported, { withinMs: patience.longMs })
    for (const n of [1, 3]) assert.ok(!(await troublesOf(n)).includes('siblings'))
    const listed = async () =>
      /siblings: this node's Kubo is not connected/.test(await world.anchorage('admin', 'nodes', 'dev-2'))
    await until('admin nodes says so', listed)

    const blocks = await freshBlocks(5)
    await (await world.kubo(1)).put(blocks)
    const api = await world.api()
    for (const { cid } of blocks) await ledger.post(api, { cid, meta: { 'anchorage.replicas': '3' } })
    await until('a pin that waits for node 2 says why', async () => {
      const { results } = await api.list({ status: 'queued,pinning', limit: '10' })
      return results.some(({ info }) =>
        /the Kubo of dev-2 is not connected/.test(info?.['status_details'] ?? ''),
      )
    })

    await filter(usual)
    await restartKubo(2)
    await until('node 2 is well again', async () => !(await reported()), { withinMs: patience.longMs })
    await checkInvariants(world, ledger)
  })
})

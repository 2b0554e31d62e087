// A world of its own: it compares what an org can learn with everything that another org did.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { allStatuses, apiOf, bodyOf, type Api, type WirePage } from '../testing/clients/api.ts'
import { stage, type Stage } from './authz/stage.ts'
import { freshBlocks, lostCid } from '../testing/content.ts'
import { until } from '../testing/settle.ts'

/** The values that a filter would have to find in the pins of the other org. */
interface Pin {
  cid: string
  name: string
  meta: Record<string, string>
}

suite('what an org can learn about another org', () => {
  let at: Stage
  let mine: Api
  let theirs: Api
  let shared: string
  const ours: Pin[] = []
  const others: Pin[] = []

  before(async () => {
    at = await stage()
    mine = at.mine.api
    theirs = at.theirs.api
    shared = await lostCid()
    for (let n = 0; n < 40; n++) others.push(await pinned(theirs, await lostCid(), `their-${n}`))
    for (let n = 0; n < 3; n++) ours.push(await pinned(mine, await lostCid(), `our-${n}`))
    others.push(await pinned(theirs, shared, 'their-shared'))
    ours.push(await pinned(mine, shared, 'our-shared'))
  })
  after(() => at[Symbol.asyncDispose]())

  async function pinned(api: Api, cid: string, name: string): Promise<Pin> {
    const pin = { cid, name, meta: { app: name, all: 'the same' } }
    await api.post(pin)
    return pin
  }

  const list = async (api: Api, query: Record<string, string>): Promise<WirePage> =>
    bodyOf(await api.send('GET', `/pins?${new URLSearchParams({ status: allStatuses, ...query })}`), 200)
  const names = ({ results }: WirePage): (string | undefined)[] => results.map(({ pin }) => pin.name)

  test('a list, its count and its pages have only pins of the own org, however many another org has', async () => {
    const before = await list(mine, { limit: '1' })
    assert.equal(before.count, ours.length + 1, 'and the one of the stage')
    await pinned(theirs, await lostCid(), 'their-late')
    assert.equal((await list(mine, { limit: '1' })).count, before.count)
    const all = await mine.all()
    assert.equal(all.length, before.count)
    for (const { created } of await theirs.all()) {
      const [earlier, later] = [await list(mine, { before: created }), await list(mine, { after: created })]
      const same = all.filter((one) => one.created === created).length
      assert.equal(
        earlier.count + later.count + same,
        before.count,
        'the `created` of their pins splits our pins only by time',
      )
    }
  })

  test('no filter finds or counts pins of another org', async () => {
    const [first] = others
    assert.ok(first)
    const nothing = (page: WirePage, what: string) => assert.deepEqual(page, { count: 0, results: [] }, what)
    for (const match of ['exact', 'iexact', 'partial', 'ipartial'])
      nothing(await list(mine, { name: first.name, match }), match)
    nothing(await list(mine, { cid: first.cid }), 'cid')
    nothing(await list(mine, { meta: JSON.stringify({ app: first.name }) }), 'meta')
    const both = await list(mine, { meta: JSON.stringify({ all: 'the same' }) })
    assert.deepEqual(new Set(names(both)), new Set(ours.map(({ name }) => name)))
    const ofShared = await list(mine, { cid: shared })
    assert.deepEqual([ofShared.count, names(ofShared)], [1, ['our-shared']])
    assert.equal((await list(mine, { name: '-', match: 'partial' })).count, ours.length + 1)
    const byStatus = await Promise.all(
      allStatuses.split(',').map(async (status) => (await list(mine, { status })).count),
    )
    assert.equal(
      byStatus.reduce((sum, n) => sum + n),
      ours.length + 1,
    )
  })

  test('the answer for a pin of another org differs only in its id from that for an unknown pin', async () => {
    const [one] = (await theirs.list({ limit: '1', status: allStatuses })).results
    assert.ok(one)
    const absent = 'pin_01h455vb4pex5vsknk084sn02q'
    for (const [method, body] of [
      ['GET'],
      ['DELETE'],
      ['POST', { cid: shared }],
      ['POST', { cid: 'no cid' }],
    ] as const) {
      const answers: string[] = await Promise.all(
        [one.requestid, absent].map(async (id): Promise<string> => {
          const answer = await mine.send(method, `/pins/${id}`, { body })
          return `${answer.status} ${answer.text.replaceAll(id, '')}`
        }),
      )
      assert.equal(answers[0], answers[1])
    }
    assert.equal((await theirs.get(one.requestid)).requestid, one.requestid, 'and it is there all the same')
  })

  test('info does not show which other orgs want the same content, nor their origins', async () => {
    const content = await lostCid()
    const origin =
      '/dns4/theirs-secret.example/tcp/1/p2p/12D3KooWBXu3uGPMkjjxViK6autSnFH5QaKJgTwW8CaSxYSD6yYL'
    const first = await theirs.post({ cid: content, name: 'theirs-SECRET', origins: [origin] })
    await until('their pin was tried', async () => (await theirs.get(first.requestid)).status !== 'queued')
    await sleep(1_000)
    const { requestid } = await mine.post({ cid: content })
    for (let look = 0; look < 20; look++) {
      const seen = await mine.get(requestid)
      assert.equal(seen.info?.attempts, undefined, 'attempts count from when it was asked for')
      for (const mark of at.theirs.marks)
        assert.ok(!JSON.stringify(seen).includes(mark), `${mark}: ${JSON.stringify(seen)}`)
      await sleep(100)
    }
    await theirs.remove(first.requestid)
    assert.equal((await mine.get(requestid)).requestid, requestid, 'our pin stays when they remove theirs')
  })

  test('one leak is by design: the state of content that the service has or fetches is visible at once', async () => {
    const [block] = await freshBlocks(1)
    assert.ok(block)
    const kubo = await at.world.kubo()
    await kubo.put([block])
    const first = await theirs.post({ cid: block.cid, name: 'theirs-SECRET' })
    await until('it is pinned', async () => (await theirs.get(first.requestid)).status === 'pinned')
    const second = await mine.post({ cid: block.cid })
    assert.equal(second.status, 'pinned')
    for (const mark of at.theirs.marks) assert.ok(!JSON.stringify(second).includes(mark))
  })

  test('usage, tokens, members and the audit show only the own org', async () => {
    const owner = apiOf(mine.url, mine.token)
    const usage: { pins: Record<string, number> } = bodyOf(
      await owner.send('GET', `/orgs/${at.mine.slug}/usage`),
      200,
    )
    const { count } = await list(mine, {})
    assert.equal(
      Object.values(usage.pins).reduce((sum, n) => sum + n),
      count,
    )
    for (const path of [
      '/tokens',
      '/orgs',
      `/orgs/${at.mine.id}`,
      `/orgs/${at.mine.id}/members`,
      `/orgs/${at.mine.id}/audit`,
    ]) {
      const { status, text } = await owner.send('GET', path)
      assert.equal(status, 200, text)
      for (const mark of at.theirs.marks) assert.ok(!text.includes(mark), `${path}: ${mark}`)
      assert.ok(
        text.includes(at.mine.id) || text.includes(at.mine.token) || text.includes(at.mine.extra),
        path,
      )
    }
  })
})

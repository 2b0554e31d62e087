import { strict as assert } from 'node:assert'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, suite, test } from 'node:test'
import { parse } from 'yaml'
import { families } from '../../src/metrics/families.ts'
import { rowsOf } from '../../testing/world/ledger.ts'
import { patience } from '../../testing/patience.ts'
import { familiesIn, scrape, shownIn, type Shown } from '../../testing/clients/scrape.ts'
import { until } from '../../testing/settle.ts'
import type { ClusterStage } from './stage.ts'

const deploy = join(import.meta.dirname, '../../deploy')
const read = (file: string) => readFileSync(join(deploy, file), 'utf8')
const ofCluster = Object.entries(families).flatMap(([name, { from }]) => (from === 'leader' ? [name] : []))

/** The queries of the dashboard and the alert rules to Prometheus. */
function queries(): string[] {
  const rules: { groups: { rules: { expr: string }[] }[] } = parse(read('prometheus/anchorage.rules.yaml'))
  const dashboard: { panels: { targets?: { expr: string }[] }[] } = JSON.parse(read('grafana/anchorage.json'))
  return [
    ...rules.groups.flatMap((group) => group.rules.map(({ expr }) => expr)),
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ]
}

/** Every label that a query uses of a metric, as `metric{label}`. */
function labelsIn(query: string): { name: string; label: string }[] {
  return [...query.matchAll(/\b(anchorage_\w+)\{([^}]*)\}/g)].flatMap(([, name = '', inner = '']) =>
    [...inner.matchAll(/(\w+)[=!]/g)].map(([, label = '']) => ({ name, label })),
  )
}

export function metrics(at: ClusterStage): void {
  suite('the metrics of three nodes', () => {
    before(async () => {
      await at.world.well()
      await at.post(12, at.world.nodes)
      // a request that a limit refuses, which the dashboard shows
      const api = await at.world.api()
      const refused = await api.send('POST', '/pins', { body: { cid: 'x'.repeat(300_000) } })
      assert.equal(refused.status, 413)
    })

    const texts = () => Promise.all(at.world.nodes.map((n) => scrape(at.world, n)))
    const each = async (): Promise<Shown[][]> => (await texts()).map(shownIn)
    const leads = (shown: Shown[]) =>
      shown.some(({ name, value }) => name === 'anchorage_leader' && value === 1)

    /** The metrics of all nodes, once the leader has measured the cluster. */
    const measured = () =>
      until(
        'one node leads and has measured the cluster',
        async () => {
          const all = await each()
          const shows = all.filter((shown) => shown.some(({ name }) => name === 'anchorage_pins'))
          return shows.length === 1 && all.filter(leads).length === 1 && shows.every(leads) && all
        },
        { withinMs: patience.longMs },
      )

    test('the leader counts pins and placements exactly as Postgres has them', async () => {
      const pins = `select status || ' ' || count(*) as line from pins group by status`
      const placements = `select concat_ws(' ', n.name, case when p.lost then 'lost' else p.state end, p.reason, count(*)) as line
        from placements p join nodes n on n.id = p.node_id group by n.name, p.lost, p.state, p.reason`
      const lines = async (sql: string) =>
        (await rowsOf<{ line: string }>(at.world, sql)).map(({ line }) => line).sort()
      await until(
        'the counts of the leader are those of the rows',
        async () => {
          const shown = (await measured()).flat().filter(({ value }) => value !== 0)
          const of = (family: string, ...labels: string[]) =>
            shown
              .filter(({ name }) => name === family)
              .map((one) => [...labels.map((label) => one.labels[label]), one.value].join(' '))
              .sort()
          assert.deepEqual(of('anchorage_pins', 'status'), await lines(pins))
          assert.deepEqual(of('anchorage_placements', 'node', 'state', 'reason'), await lines(placements))
          return true
        },
        { withinMs: patience.longMs, everyMs: 500 },
      )
    })

    test('only the leader shows the metric families of the whole cluster', async () => {
      const all = await measured()
      for (const name of ofCluster)
        assert.equal(all.filter((shown) => shown.some((one) => one.name === name)).length, 1, name)
    })

    test('every node shows at least 25 metric families of anchorage itself', async () => {
      for (const text of await texts()) {
        const shown = familiesIn(text).filter((name) => name in families)
        assert.ok(shown.length >= 25, String(shown.length))
      }
    })

    test('every metric that the dashboard and the alert rules use exists, with the labels that they use', async () => {
      const asked = queries()
      const named = new Set(asked.flatMap((query) => query.match(/\banchorage_\w+/g) ?? []))
      assert.ok(named.size > 30)
      await until(
        'all are there',
        async () => {
          const shown = (await measured()).flat()
          const names = new Set(shown.map(({ name }) => name))
          assert.deepEqual(
            [...named].filter((name) => !names.has(name)),
            [],
          )
          const missing = asked
            .flatMap(labelsIn)
            .filter(({ label }) => label !== 'instance')
            .filter(({ name, label }) => !shown.some((one) => one.name === name && label in one.labels))
          assert.deepEqual(missing, [])
          return true
        },
        { withinMs: patience.longMs, everyMs: 500 },
      )
    })

    test('no label contains an id of an org, a pin, a token or a user, a CID or an address', async () => {
      const secret = /org_|pin_|tok_|usr_|bafy|bafk|Qm[1-9A-Za-z]{44}|127\.0\.0\.1/
      for (const { name, labels } of (await each()).flat())
        for (const value of Object.values(labels))
          assert.ok(!secret.test(value) && value.length < 60, `${name} ${value}`)
    })

    test('a scrape through a proxy is refused on every node', async () => {
      for (const n of at.world.nodes)
        for (const header of ['x-forwarded-for', 'forwarded']) {
          const url = `${await at.world.value(`NODE_URL_${n}`)}/metrics`
          const response = await fetch(url, { headers: { [header]: 'for=127.0.0.1' } })
          await response.body?.cancel()
          assert.equal(response.status, 403)
        }
    })
  })
}

// Machines of its own, and an unused Postgres: these are the first pages that a new operator reads.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { parseDocument } from 'yaml'
import { patience } from '../../testing/patience.ts'
import { until } from '../../testing/settle.ts'
import { FreshMachines } from './fresh-machines.ts'
import { textIn } from '../../testing/runbook-page.ts'
import { asked, pagesForFreshMachines, type FreshPage } from '../../testing/runbook-pages.ts'
import { walk, type Next } from './walk.ts'

const machinesOf = [1, 2, 3]
const drill = 'docs/runbooks/backup-drill.md'
const grow = 'docs/runbooks/grow.md'
const install = 'docs/install.md'

// Each page begins where the one before has ended, so the pages before a wanted one run too.
const wanted = asked(pagesForFreshMachines)
const pages = pagesForFreshMachines.slice(
  0,
  1 + Math.max(-1, ...wanted.map((page) => pagesForFreshMachines.indexOf(page))),
)

suite('the commands in the docs, on fresh machines', { skip: pages.length === 0 }, () => {
  let machines: FreshMachines

  before(async () => {
    machines = await FreshMachines.start()
    await machines.database('db', textIn(install, 'sql'))
    for (const n of machinesOf) await machines.add(n, configOf(n))
  })

  after(() => machines[Symbol.asyncDispose]())

  const stories: Record<FreshPage, (next: Next) => Promise<void>> = {
    async [install](next) {
      await next('master.key')
      assert.match(await next('migrate up'), /applied/)
      assert.match(await next('systemctl enable --now anchorage'), /"status"/)
      assert.match(await next('doctor'), /^ok +postgres/m)
      assert.match(await next('pin add'), /pinned[^]*first/)
      assert.match(await next('ipfs'), /"ID"/)
    },
    async [grow](next) {
      assert.match(await next('init-cluster'), /anchor-3\.key/)
      await next('mkdir')
      await next('scp')
      await next('chown')
      for (const n of machinesOf) await machines.configure(n, configOf(n, grow))
      for (const n of machinesOf) assert.match(await next('systemctl'), /"status"/, `anchor-${n}`)
      await machines.well()
      const seen = await next('cluster-presences')
      assert.match(seen, /3 of 3 servers answer/)
      for (const n of machinesOf) assert.match(seen, new RegExp(`anchor-${n} .*live`))
      assert.match(await next('set-org'), /acme/)
      assert.match(await next('anchor-4'), /anchor-4\.pem/)
    },
    async [drill](next) {
      await next('anchorage backup')
      await machines.database('scratch', textIn(drill, 'sql'))
      await machines.write(1, '/etc/anchorage/scratch.yaml', textIn(drill, 'yaml'))
      assert.match(await next('anchorage restore'), /pins/)
      assert.match(await next('admin orgs'), /\bacme\b[^]*anchor-3[^]*org\.set/)
      await next('systemctl stop')
      await machines.database('db', textIn(drill, 'sql'))
      assert.match(await next('anchorage restore'), /pins/)
      assert.match(await next('systemctl start'), /"status"[^]*"status"[^]*"status"/)
      await until(
        'every reconciler has looked',
        async () => (await blocked()).every((number) => number !== null),
        {
          withinMs: patience.longMs,
          everyMs: 500,
        },
      )
      assert.match(await next('admin reconcile'), /anchor-3 .*the database was restored/)
      assert.match(await next('--confirm --yes'), /anchor-3 continues/)
      await until(
        'every reconciler continues',
        async () => (await blocked()).every((number) => number === null),
        { withinMs: patience.longMs, everyMs: 500 },
      )
    },
  }

  /** For each reconciler, the number of removals it stopped before; null when it did not stop. */
  async function blocked(): Promise<(number | null)[]> {
    const said = await machines.type({ machines: [1], text: 'anchorage admin reconcile --json' })
    const { results }: { results: { blocked: number | null }[] } = JSON.parse(said)
    return results.map((each) => each.blocked)
  }

  for (const page of pages)
    test(page, async () => {
      try {
        await walk(page, (block, standIns) => machines.type(block, standIns), stories[page])
      } catch (cause) {
        throw new Error(`${String(cause)}\n${await machines.lastWords()}`, { cause })
      }
    })
})

/** The config that the operator of machine `n` writes by the pages; `more` adds to the config of the install page. */
function configOf(n: number, more?: string): string {
  const config = parseDocument(textIn(install, 'yaml'))
  if (more !== undefined) config.set('nats', parseDocument(textIn(more, 'yaml')).get('nats'))
  return config.toString().replaceAll('anchor-1', `anchor-${n}`).replaceAll('10.0.0.1:', `10.0.0.${n}:`)
}

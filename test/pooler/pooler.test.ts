import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { main } from '../../src/cli/main.ts'
import { mintId } from '../../src/core/ids.ts'
import { startChild, type Child } from '../../src/process/child.ts'
import { freePort } from '../../src/dev/free-port.ts'
import { silentLog } from '../../src/core/silent-log.ts'
import { testDatabase, type TestDatabase } from '../../testing/servers/postgres.ts'
import { openDatabase } from '../../src/store/database.ts'
import { roleSettings } from '../../src/store/role-settings.ts'
import { allStatuses, apiOf, type Api } from '../../testing/clients/api.ts'
import { lostCid } from '../../testing/content.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { fetchPgBouncer, startPgBouncer } from './pgbouncer.ts'

const slugs = ['acme', 'globex'] as const

for (const max_prepared_statements of [100, 0])
  behind('trixie', 'through a pooler, by transaction', {
    pool_mode: 'transaction',
    max_prepared_statements,
    // fewer than the node needs at once, so that sessions are always shared
    default_pool_size: 4,
  })
behind('bookworm', 'through a pooler, by session', { pool_mode: 'session', default_pool_size: 40 })

function behind(suite: 'bookworm' | 'trixie', way: string, settings: Record<string, string | number>) {
  const how = Object.entries(settings).map((setting) => setting.join(' '))
  describe(`a node that reaches Postgres ${way} (${how.join(', ')})`, () => {
    const undo = new AsyncDisposableStack()
    let database: TestDatabase
    let pooler: Child & { port: number }
    let apis: Record<(typeof slugs)[number], Api>
    let nodeLog = ''

    before(async () => {
      const direct = undo.use(await testDatabase())
      const release = undo.use(await fetchPgBouncer(suite))
      pooler = undo.use(await startPgBouncer(release, direct, settings))
      console.error(`PgBouncer ${release.version}`)
      const through = (url: string) => Object.assign(new URL(url), { port: String(pooler.port) }).href
      database = {
        ownerUrl: through(direct.ownerUrl),
        tenantUrl: through(direct.tenantUrl),
        systemUrl: through(direct.systemUrl),
        [Symbol.asyncDispose]: async () => {},
      }
      assert.match(await verb('migrate', 'up'), /applied/)
      nodeLog = join(release.dir, 'node.log')
      const url = await startNode()
      const apiFor = async (slug: string) => {
        await verb('admin', 'create-org', slug)
        const scopes = 'pins:read,pins:write,pins:delete'
        return apiOf(
          url,
          (await verb('admin', 'mint-token', '--org', slug, '--scopes', scopes, '--ttl', '1h')).trim(),
        )
      }
      apis = { acme: await apiFor('acme'), globex: await apiFor('globex') }
    })
    after(() => undo.disposeAsync())

    test('it logs at its start how it reaches Postgres', async () => {
      const lines = (await readFile(nodeLog, 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      const told = lines.filter(({ msg }) => msg === 'connected to Postgres')
      assert.deepEqual(
        told.map(({ tenant, system }) => [tenant, system]),
        [[way, way]],
      )
    })

    test('doctor detects the pooler, and finds both logins and their settings in order behind it', async () => {
      // It exits with 1, because NATS and Kubo are unreachable.
      let said = ''
      const io = { out: (text: string) => (said += text), err: assert.fail, terminal: null }
      await main(['doctor', '--json'], { ...io, env: environment(), signal: new AbortController().signal })
      const { findings } = JSON.parse(said)
      const states = Object.fromEntries(
        findings.map(({ check, state }: { check: string; state: string }) => [check, state]),
      )
      for (const check of ['system', 'tenant', 'schema', 'orgs'])
        assert.equal(states[`postgres ${check}`], 'ok', check)
      for (const check of ['postgres way', 'postgres tenant way']) {
        const { says } = findings.find((finding: { check: string }) => finding.check === check)
        assert.match(says, new RegExp(`^${way}; a commit took `))
      }
    })

    test('two orgs pin, list and remove at once, and each sees only its own pins', async () => {
      const rounds = Array.from({ length: 120 }, (_, n) => n)
      await Promise.all(
        slugs.map(async (slug) => {
          const api = apis[slug]
          await eachInFlight(rounds, 16, async (n) => {
            const { requestid } = await api.post({ cid: await lostCid(), name: `${slug} ${n}` })
            const { results } = await api.list({ status: allStatuses, limit: '50' })
            assert.deepEqual(
              results.filter(({ pin }) => !pin.name?.startsWith(slug)),
              [],
            )
            if (n % 2 === 1) await api.remove(requestid)
          })
          const left = await api.all({ status: allStatuses })
          assert.deepEqual(
            left.map(({ pin }) => String(pin.name)).toSorted(),
            rounds
              .filter((n) => n % 2 === 0)
              .map((n) => `${slug} ${n}`)
              .toSorted(),
          )
        }),
      )
    })

    test('every session runs with the settings of its role, and every scope ends with its transaction', async () => {
      await using db = openDatabase({ ...database, log: silentLog })
      const names = Object.keys(roleSettings.anchorage_tenant)
      const shown = `select jsonb_object_agg(n, current_setting(n)) as shown from unnest($1::text[]) n`
      await eachInFlight(Array.from({ length: 64 }), 32, async () => {
        const scope = `select current_setting('anchorage.org_id', true) as org`
        const [[mine], [settings]] = (await db.orgAtOnce(mintId('org'), [
          [scope, []],
          [shown, [names]],
        ])) as [{ org: string }[], { shown: object }[]]
        assert.ok(mine?.org)
        assert.deepEqual(settings?.shown, roleSettings.anchorage_tenant)
        const [unset] = await db.withoutOrg((query) => query<{ org: string | null }>(scope))
        assert.ok(!unset?.org, `a scope was left behind: ${unset?.org}`)
      })
    })

    test('a statement that takes too long is ended by the limit of its role', async () => {
      await using db = openDatabase({ ...database, log: silentLog })
      await assert.rejects(db.statement.query('select pg_sleep(60)'), (error: Error) => {
        const { code } = error.cause as { code?: string }
        return code === '57014'
      })
    })

    test('a restart of the pooler loses no accepted pin', async () => {
      const { acme } = apis
      const accepted: string[] = []
      const ending = new AbortController()
      const lane = async (name: string): Promise<void> => {
        for (let n = 0; !ending.signal.aborted; n++) {
          const body = { cid: await lostCid(), name: `restart ${name} ${n}` }
          const answer = await acme.send('POST', '/pins', { body })
          if (answer.status === 202) accepted.push(JSON.parse(answer.text).requestid)
          else assert.equal(answer.status, 503, answer.text)
        }
      }
      const traffic = Promise.all(['a', 'b', 'c', 'd'].map(lane))
      const more = async (than: number) => until('more pins are accepted', () => accepted.length > than)
      await more(40)
      pooler.kill()
      await until('the pooler has gone', () => pooler.pid() === null)
      await until('the node says so', async () => (await acme.send('GET', '/ready')).status === 503)
      pooler.startAgain()
      await more(accepted.length + 40)
      await until('the node is ready', async () => (await acme.send('GET', '/ready')).status === 200)
      ending.abort()
      await traffic
      const all = new Set((await acme.all({ status: allStatuses })).map(({ requestid }) => requestid))
      assert.deepEqual(
        accepted.filter((id) => !all.has(id)),
        [],
      )
    })

    test('while the pooler does not answer, the node answers 503; once the pooler answers, the node uses it again', async () => {
      const { acme } = apis
      const status = async (method: string, path: string, more = {}) =>
        (await acme.send(method, path, more)).status
      const pid = pooler.pid() ?? 0
      process.kill(pid, 'SIGSTOP')
      try {
        const hanging = status('GET', '/pins')
        await until('the node says so', async () => (await status('GET', '/ready')) === 503)
        assert.equal(await hanging, 503)
      } finally {
        process.kill(pid, 'SIGCONT')
      }
      await until('the node is ready', async () => (await status('GET', '/ready')) === 200)
      const body = { cid: await lostCid() }
      assert.equal(await status('POST', '/pins', { body }), 202)
    })

    async function startNode(): Promise<string> {
      const port = await freePort()
      const node = await startChild({
        name: 'node',
        command: process.execPath,
        args: [join(import.meta.dirname, '../../src/cli/main.ts'), 'serve'],
        cwd: '/',
        env: { ...environment(), ANCHORAGE_HTTP_LISTEN: `127.0.0.1:${port}`, ANCHORAGE_LOG_LEVEL: 'info' },
        user: null,
        logFile: nodeLog,
        stopSignal: 'SIGTERM',
        stopGraceMs: 20_000,
        readyWithinMs: 60_000,
        ready: async () => {
          const api = apiOf(`http://127.0.0.1:${port}/v1`, '')
          await until('the node is ready', async () => (await api.send('GET', '/ready')).status === 200)
        },
        restartAfterMs: null,
      })
      undo.use(node)
      return `http://127.0.0.1:${port}/v1`
    }

    async function verb(...argv: string[]): Promise<string> {
      const said = { out: '', err: '' }
      const io = {
        env: environment(),
        out: (text: string) => (said.out += text),
        err: (text: string) => (said.err += text),
        terminal: null,
        signal: new AbortController().signal,
      }
      assert.equal(await main(argv, io), 0, said.err)
      return said.out
    }

    function environment(): Record<string, string> {
      return {
        ANCHORAGE_DATABASE_URL: database.tenantUrl,
        ANCHORAGE_DATABASE_SYSTEM_URL: database.systemUrl,
        ANCHORAGE_DATABASE_OWNER_URL: database.ownerUrl,
        ANCHORAGE_AUTH_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
        ANCHORAGE_LOG_LEVEL: 'error',
        ANCHORAGE_DATA_DIR: join(dirname(nodeLog), 'data'),
        ANCHORAGE_HTTP_STOP_DELAY: '0s',
        ANCHORAGE_NATS_URL: 'nats://127.0.0.1:1',
        ANCHORAGE_KUBO_RPC: 'http://127.0.0.1:1',
      }
    }
  })
}

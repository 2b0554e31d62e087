import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Client } from 'pg'
import { parse, parseAllDocuments } from 'yaml'
import { loadConfig } from '../../src/config/config.ts'
import { testDatabase } from '../../testing/servers/postgres.ts'
import { followUps } from '../../src/ipfs/follow-ups.ts'
import { findTool } from '../../src/tools/find-tool.ts'
import { kubo } from '../../src/tools/kubo.ts'
import { fetchPgBouncer, startPgBouncer } from '../pooler/pgbouncer.ts'
import { actionlint, dockerCompose, hadolint, helm, kubernetesValidate, promtool, toolFor } from './tools.ts'

const root = join(import.meta.dirname, '../..')
const at = (...path: string[]) => join(root, ...path)
const open = 'Swarm.AddrFilters does not cover'
const text = (...path: string[]) => readFileSync(at(...path), 'utf8')

test('the image runs as an unprivileged user, reports its health, and passes its linter', async (t) => {
  const lint = await toolFor(t, hadolint)
  runs(lint, ['--failure-threshold', 'style', at('deploy/docker/Dockerfile')])
  const dockerfile = text('deploy/docker/Dockerfile')
  assert.match(dockerfile, /^USER 10001:10001$/m)
  assert.match(dockerfile, /^HEALTHCHECK .*\n.*\/v1\/health/m)
})

test('compose: three nodes whose options anchorage accepts, each sharing a loopback with its own Kubo', async (t) => {
  const compose = await toolFor(t, dockerCompose)
  const dir = copyOf(t, 'deploy/compose', 'compose')
  const without = spawnSync(compose, ['config'], { cwd: dir, encoding: 'utf8' })
  assert.match(without.stderr, /_PASSWORD.*is not set, see \.env\.example/)
  writeFileSync(
    join(dir, '.env'),
    text('deploy/compose/.env.example').replaceAll('PASSWORD=', 'PASSWORD=abc'),
  )
  const { services }: { services: Record<string, Service> } = parse(runs(compose, ['config'], dir))

  for (const n of [1, 2, 3]) {
    const [node, beside] = [services[`node-${n}`], services[`kubo-${n}`]]
    const config = loadConfig({ env: node?.environment ?? {} })
    assert.equal(config.node.name, `node-${n}`)
    assert.deepEqual(config.nats.cluster.announce, { host: `node-${n}`, port: 6222 })
    assert.equal(config.kubo.rpc, 'http://127.0.0.1:5001')
    assert.equal(node?.network_mode, `service:pod-${n}`)
    assert.equal(beside?.network_mode, `service:pod-${n}`)
    assert.deepEqual(node?.environment['ANCHORAGE_METRICS_ALLOW'], '127.0.0.0/8,172.31.250.0/24')
    assert.equal(node?.read_only, true)
    assert.deepEqual(openWith(beside?.environment['ADDR_FILTERS']), [`${open} 172.16.0.0/12`])
  }
  const migrate = loadConfig({ env: services['migrate']?.environment ?? {} })
  assert.ok(migrate.database.ownerUrl)
  for (const [name, { ports = [], volumes = [] }] of Object.entries(services)) {
    for (const port of ports)
      assert.match(JSON.stringify(port), /127\.0\.0\.1/, `${name} is published on loopback`)
    const mounted = volumes.map((volume) => volume.split(':')[0] ?? '').filter((path) => path.startsWith('/'))
    for (const path of mounted) {
      const own = resolve(at('deploy/compose'), path.replace(dir, '.').replace(resolve(dir, '..'), '..'))
      assert.ok(existsSync(own), `${name} mounts ${own}`)
    }
  }
})

test('compose: Prometheus finds its rules and every node, and the nodes accept it', async (t) => {
  const written = text('deploy/compose/prometheus.yaml')
  const file = join(scratch(t), 'prometheus.yaml')
  writeFileSync(file, written.replace('/etc/prometheus/anchorage', at('deploy/prometheus')))
  const said = runs(await toolFor(t, promtool), ['check', 'config', file])
  assert.match(said, /SUCCESS: [1-9]\d* rules found/)
  for (const n of [1, 2, 3]) assert.ok(written.includes(`node-${n}:8080`))
})

test('the alert rules are valid, and each fires as its promtool test expects', async (t) => {
  const tool = await toolFor(t, promtool)
  runs(tool, ['check', 'rules', at('deploy/prometheus/anchorage.rules.yaml')])
  runs(tool, ['test', 'rules', at('deploy/prometheus/anchorage.test.yaml')])
})

test('compose: the keys are made once, and existing ones are kept', (t) => {
  const { services }: { services: Record<string, { command: string[] }> } = parse(
    text('deploy/compose/compose.yaml'),
  )
  const dir = scratch(t)
  const [keys, bin] = [join(dir, 'keys'), join(dir, 'bin')]
  for (const one of [keys, bin]) mkdirSync(one)
  symlinkSync(at('bin/anchorage.js'), join(bin, 'anchorage'))
  symlinkSync(process.execPath, join(bin, 'node'))
  const script = services['keys']?.command[0]?.replace('/etc/anchorage/keys', keys) ?? assert.fail('no keys')
  const make = () => execFileSync('/bin/sh', ['-euc', script], { env: { PATH: `${bin}:/usr/bin:/bin` } })
  const all = () => readdirSync(keys).map((name) => [name, readFileSync(join(keys, name), 'utf8')])
  make()
  const made = all()
  for (const n of [1, 2, 3]) assert.ok(existsSync(join(keys, `node-${n}.pem`)))
  const masterKeyFile = join(keys, 'master.key')
  assert.equal(Buffer.from(readFileSync(masterKeyFile, 'utf8'), 'base64').length, 32)
  make()
  assert.deepEqual(all(), made)
})

test('a Kubo that is prepared for a container accepts commands on loopback only, however often it starts', async (t) => {
  const kubo = await kuboIn(t)
  kubo.ipfs('init', '--profile=pebbleds')
  const { services } = parse(text('deploy/compose/compose.yaml'), { merge: true })
  const { ADDR_FILTERS } = services['kubo-1'].environment
  for (let start = 0; start < 2; start++) {
    execFileSync('/bin/sh', [at('deploy/helm/anchorage/files/kubo.sh')], {
      env: { ...kubo.env, ADDR_FILTERS },
    })
    const config = JSON.parse(kubo.ipfs('config', 'show'))
    assert.equal(config.Addresses.API, '/ip4/127.0.0.1/tcp/5001')
    assert.deepEqual(config.Addresses.Gateway, [])
    assert.deepEqual(followUps(config), [`${open} 172.16.0.0/12`])
  }
})

test('the Kubo of an installed node is set up once, listens on loopback, and dials no private network', async (t) => {
  const kubo = await kuboIn(t)
  const prepare = () =>
    execFileSync('/bin/sh', [at('packaging/kubo-init.sh')], { env: kubo.env, stdio: 'pipe' })
  prepare()
  const made = kubo.ipfs('config', 'show')
  const config = JSON.parse(made)
  assert.equal(config.Addresses.API, '/ip4/127.0.0.1/tcp/5001')
  assert.deepEqual(config.Addresses.Gateway, [])
  assert.deepEqual(followUps(config), [])
  prepare()
  assert.equal(kubo.ipfs('config', 'show'), made)
})

test('compose: PgBouncer accepts its config, and the logins of both roles work through it', async () => {
  await using database = await testDatabase()
  await using fetched = await fetchPgBouncer('trixie')
  // These depend on this machine: the address that it listens on, and its users.
  const { listen_addr, listen_port, auth_file, ...settings } = pgbouncerSettings()
  assert.deepEqual([listen_addr, listen_port, auth_file], ['0.0.0.0', '5432', '/tmp/users'])
  await using pgbouncer = await startPgBouncer(fetched, database, settings)
  for (const given of [database.tenantUrl, database.systemUrl]) {
    const url = new URL(given)
    url.port = String(pgbouncer.port)
    const client = new Client({ connectionString: url.href })
    await client.connect()
    const { rows } = await client.query('select 1 as one')
    assert.deepEqual(rows, [{ one: 1 }])
    await client.end()
  }
})

test(
  'the chart: Kubernetes accepts the rendered manifests, and anchorage accepts the options in them',
  { timeout: 20 * 60_000 },
  async (t) => {
    const [program, validate] = [await toolFor(t, helm), await toolFor(t, kubernetesValidate)]
    const chart = at('deploy/helm/anchorage')
    const kubernetes = '1.34'
    runs(program, ['lint', '--strict', '--kube-version', `${kubernetes}.0`, chart])
    const render = (...set: string[]) =>
      runs(program, [
        'template',
        'anchorage',
        chart,
        '--namespace',
        'pins',
        '--kube-version',
        `${kubernetes}.0`,
        ...set,
      ])

    for (const replicas of [1, 3]) {
      const rendered = render('--set', `replicas=${replicas}`)
      const file = join(scratch(t), 'all.yaml')
      writeFileSync(file, rendered)
      runs(validate, ['--strict', '--quiet', '-k', kubernetes, file])
      const all = parseAllDocuments(rendered).map((document) => document.toJS())
      const kind = (name: string) => all.find((one) => one?.kind === name) ?? assert.fail(`no ${name}`)
      assert.equal(kind('PodDisruptionBudget').spec.maxUnavailable, 1)
      for (const name of ['StatefulSet', 'Job'])
        assert.equal(
          kind(name).spec.template.spec.enableServiceLinks,
          false,
          'ANCHORAGE_PORT would be an error',
        )

      const pod = kind('StatefulSet').spec.template.spec
      const [node, beside] = [pod.containers[0], pod.initContainers[0]]
      assert.equal(node.readinessProbe.httpGet.path, '/v1/ready')
      assert.equal(node.livenessProbe.httpGet.path, '/v1/health')
      assert.equal(beside.restartPolicy, 'Always')
      for (const container of [node, beside])
        assert.equal(container.securityContext.readOnlyRootFilesystem, true)

      const options = join(scratch(t), 'anchorage.yaml')
      writeFileSync(options, kind('ConfigMap').data['anchorage.yaml'])
      const config = loadConfig({ env: { ANCHORAGE_CONFIG: options, ...environmentOf(node) } })
      assert.equal(config.node.name, 'anchorage-0')
      assert.equal(
        config.nats.cluster.announce?.host,
        replicas === 1 ? undefined : 'anchorage-0.anchorage-nodes.pins.svc',
      )
      const migrate = environmentOf(kind('Job').spec.template.spec.containers[0])
      assert.ok(loadConfig({ env: migrate }).database.ownerUrl)
      assert.deepEqual(openWith(environmentOf(beside)['ADDR_FILTERS']), [`${open} 10.0.0.0/8`])
    }
    const two = spawnSync(program, ['template', chart, '--kube-version', '1.34.0', '--set', 'replicas=2'], {
      encoding: 'utf8',
    })
    assert.match(two.stderr, /replicas: 1, or at least 3/)
  },
)

test('the version of the chart is the version of anchorage that it deploys', () => {
  const { version, appVersion } = parse(text('deploy/helm/anchorage/Chart.yaml'))
  const manifest = JSON.parse(text('package.json'))
  assert.deepEqual([version, appVersion], [manifest.version, manifest.version])
})

test('the workflows are valid, and every script that they run exists', async (t) => {
  const files = readdirSync(at('.gitea/workflows')).map((name) => at('.gitea/workflows', name))
  const scripts = Object.keys(JSON.parse(text('package.json')).scripts)
  for (const file of files)
    for (const [, script = ''] of readFileSync(file, 'utf8').matchAll(/npm run (?:--\S+ )*([\w:]+)/g))
      assert.ok(scripts.includes(script), `${file} runs ${script}`)
  const lint = await toolFor(t, actionlint)
  runs(lint, ['-no-color', '-shellcheck=', '-pyflakes=', ...files])
})

/** A real Kubo's program, with a repository of its own that is removed after the test. */
async function kuboIn(t: TestContext) {
  const { path } = await findTool(kubo(), { env: process.env, say: (line) => t.diagnostic(line) })
  const dir = scratch(t)
  symlinkSync(path, join(dir, 'ipfs'))
  const env = { PATH: `${dir}:/usr/bin:/bin`, IPFS_PATH: join(dir, 'repo'), IPFS_TELEMETRY: 'off', HOME: dir }
  return {
    env,
    ipfs: (...args: string[]) => execFileSync('ipfs', args, { env, encoding: 'utf8', stdio: 'pipe' }),
  }
}

/** The settings in the section [pgbouncer]. */
function pgbouncerSettings(): Record<string, string> {
  const [, section = ''] = text('deploy/compose/pgbouncer/pgbouncer.ini').split('[pgbouncer]\n')
  const lines = section.split('\n').filter((line) => line.includes('=') && !line.startsWith(';'))
  return Object.fromEntries(
    lines.map((line) => {
      const [name = '', value = ''] = line.split('=')
      return [name.trim(), value.trim()]
    }),
  )
}

/** The dials that a Kubo with these filters still allows, in the words of a node's warning. */
function openWith(filters = '[]'): string[] {
  return followUps({ Swarm: { AddrFilters: JSON.parse(filters) }, HTTPRetrieval: { Enabled: false } })
}

interface Service {
  environment: Record<string, string>
  network_mode?: string
  read_only?: boolean
  ports?: unknown[]
  volumes?: string[]
}

/** The environment of a container, with invented values for what comes from elsewhere: the pod's name, and secrets. */
function environmentOf(container: { env: { name: string; value?: string; valueFrom?: object }[] }) {
  const given = container.env.map(({ name, value, valueFrom }): [string, string] => {
    if (valueFrom === undefined)
      return [name, (value ?? '').replaceAll('$(ANCHORAGE_NODE_NAME)', 'anchorage-0')]
    if (name.endsWith('_URL')) return [name, 'postgres://somebody@db/anchorage']
    return [name, name.endsWith('_KEY') ? Buffer.alloc(32).toString('base64') : 'anchorage-0']
  })
  return Object.fromEntries(given)
}

function runs(command: string, args: string[], cwd = root): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  assert.equal(status, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

function scratch(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'anchorage-deploy-'))
  t.after(() => rmSync(dir, { recursive: true }))
  return dir
}

function copyOf(t: TestContext, path: string, name: string): string {
  const dir = join(scratch(t), name)
  cpSync(at(path), dir, { recursive: true })
  return dir
}

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '../..')

/** A tree that keeps every rule. */
const sound = {
  'src/core/pin.ts': "import { createHash } from 'node:crypto'\nexport const digest = createHash",
  'src/store/pins.ts':
    "import pg from 'pg'\nimport type { digest } from '../core/pin.ts'\nexport const d = [pg] as unknown as typeof digest",
  'src/http/server.ts': "import { fastify } from 'fastify'\nexport const server = fastify",
  'src/http/client.ts': 'export const client = fetch',
  'src/process/lock.ts': "import { digest } from '../core/pin.ts'\nexport const lock = digest",
  'src/tools/find.ts': "import { lock } from '../process/lock.ts'\nexport const find = lock",
  'src/config/config.ts': "import { server } from '../http/server.ts'\nexport const config = [server]",
  'src/app/node.ts':
    "import { config } from '../config/config.ts'\nimport { d } from '../store/pins.ts'\nimport { server } from '../http/server.ts'\nexport const n = [config, d, server]",
  'web/app.ts': "import { client } from '../src/http/client.ts'\nexport const a = client",
  'testing/fake.ts': 'export const fake = 1',
  'bench/seed.ts': "export { fake as seed } from '../testing/fake.ts'",
  'test/story.ts': "export { fake as story } from '../testing/fake.ts'",
  'src/core/pin.test.ts': "export { fake as tested } from '../../testing/fake.ts'",
}

/** A cycle needs two files; it is reported at the other one. */
const accomplice = {
  'src/core/round.ts': "import { about } from './about.ts'\nexport const round = () => about",
}

/** One breach of each rule: the file that commits it, and its content. */
const breaches = [
  ['folders-meet-only-in-app', 'src/http/sideways.ts', "export { d } from '../store/pins.ts'"],
  ['folders-meet-only-in-app', 'src/process/outward.ts', "export { d } from '../store/pins.ts'"],
  ['folders-meet-only-in-app', 'src/workers/configured.ts', "export { config } from '../config/config.ts'"],
  [
    'config-starts-nothing',
    'src/config/start.ts',
    "import type { n } from '../app/node.ts'\nexport type N = typeof n",
  ],
  ['core-knows-no-folder', 'src/core/child.ts', "export { lock } from '../process/lock.ts'"],
  [
    'core-knows-no-folder',
    'src/core/outward.ts',
    "import type { n } from '../app/node.ts'\nexport type N = typeof n",
  ],
  ['no-cycles', 'src/core/about.ts', "import { round } from './round.ts'\nexport const about = () => round"],
  ['web-sees-only-the-client', 'web/peek.ts', "export { server } from '../src/http/server.ts'"],
  [
    'the-client-runs-in-a-browser',
    'src/http/client.ts',
    "import { readFile } from 'node:fs'\nexport const client = readFile",
  ],
  [
    'core-does-no-io',
    'src/core/files.ts',
    "import { readFile } from 'node:fs/promises'\nexport const r = readFile",
  ],
  ['src-needs-no-tests', 'src/app/seeded.ts', "export { seed } from '../../bench/seed.ts'"],
  ['only-tests-and-benches-use-testing', 'src/app/faked.ts', "export { fake } from '../../testing/fake.ts'"],
  ['only-tests-use-test', 'bench/told.ts', "export { story } from '../test/story.ts'"],
  [
    'only-what-package-json-names',
    'src/app/check.ts',
    "import * as check from 'fast-check'\nexport const c = check",
  ],
  ['one-owner-of-pg', 'src/workers/sql.ts', "import pg from 'pg'\nexport const p = pg"],
  [
    'one-owner-of-nats',
    'src/store/hint.ts',
    "import { jetstream } from '@nats-io/jetstream'\nexport const j = jetstream",
  ],
  [
    'one-owner-of-fastify',
    'src/auth/plugin.ts',
    "import type { FastifyInstance } from 'fastify'\nexport type F = FastifyInstance",
  ],
  ['one-owner-of-undici', 'src/http/fetch.ts', "import { request } from 'undici'\nexport const r = request"],
  ['one-owner-of-jose', 'src/http/jwt.ts', "import { jwtVerify } from 'jose'\nexport const v = jwtVerify"],
  [
    'one-owner-of-rate-limiter',
    'src/core/rate.ts',
    "import { RateLimiterMemory } from 'rate-limiter-flexible'\nexport const r = RateLimiterMemory",
  ],
  [
    'one-owner-of-openid-client',
    'src/http/login.ts',
    "import { discovery } from 'openid-client'\nexport const d = discovery",
  ],
  [
    'one-owner-of-prom-client',
    'src/workers/count.ts',
    "import { Counter } from 'prom-client'\nexport const c = Counter",
  ],
  [
    'one-owner-of-opentelemetry',
    'src/http/span.ts',
    "import { trace } from '@opentelemetry/api'\nexport const t = trace",
  ],
  [
    'one-owner-of-commander',
    'src/app/verb.ts',
    "import { Command } from 'commander'\nexport const c = Command",
  ],
  ['one-owner-of-pino', 'src/workers/say.ts', "import { pino } from 'pino'\nexport const p = pino"],
] as const

test('a tree that keeps the import rule passes, and its modules are really read', async () => {
  await using tree = await plant(sound)
  const { violations, modules } = cruise(tree.dir)
  assert.deepEqual(violations, [])
  assert.ok(modules >= Object.keys(sound).length)
})

test('one planted breach of each import rule is caught, and nothing else is', async () => {
  const planted = Object.fromEntries(breaches.map(([, file, content]) => [file, content]))
  await using tree = await plant({ ...sound, ...accomplice, ...planted })
  const caught = cruise(tree.dir).violations
  assert.deepEqual(caught, breaches.map(([rule, file]) => `${rule} ${file}`).toSorted())
})

test('every import rule has a planted breach and says why it exists', async () => {
  const rules: { name: string; comment: string }[] = (await import(join(root, '.dependency-cruiser.cjs')))
    .default.forbidden
  assert.deepEqual(new Set(rules.map((rule) => rule.name)), new Set(breaches.map(([rule]) => rule)))
  assert.ok(rules.every((rule) => rule.comment.length > 30))
})

async function plant(files: Record<string, string>) {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-fences-'))
  for (const [file, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, file)), { recursive: true })
    await writeFile(join(dir, file), content)
  }
  for (const file of ['.dependency-cruiser.cjs', 'package.json', 'tsconfig.json'])
    await cp(join(root, file), join(dir, file))
  await symlink(join(root, 'node_modules'), join(dir, 'node_modules'))
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) }
}

function cruise(dir: string): { violations: string[]; modules: number } {
  const program = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
  const folders = ['src', 'web', 'test', 'testing', 'bench']
  const run = spawnSync(process.execPath, [program, ...folders, '--config', '--output-type', 'json'], {
    cwd: dir,
    encoding: 'utf8',
  })
  assert.equal(run.stderr, '')
  const {
    summary,
  }: { summary: { totalCruised: number; violations: { rule: { name: string }; from: string }[] } } =
    JSON.parse(run.stdout)
  const violations = summary.violations.map((violation) => `${violation.rule.name} ${violation.from}`)
  return { violations: [...new Set(violations)].toSorted(), modules: summary.totalCruised }
}

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { AnchorageError } from '../core/errors.ts'
import { configDocs } from './docs.ts'
import { configKeys, flagOf, variableOf } from './keys.ts'
import { splitFlags } from './sources.ts'
import { loadConfig, requireKeys, resolveConfig } from './config.ts'

test('with nothing given, every option has its default', () => {
  const config = loadConfig({ env: {} })
  assert.deepEqual(config.http.listen, { host: '127.0.0.1', port: 8080 })
  assert.equal(config.node.name, hostname())
  assert.deepEqual(config.node.announce, [])
  assert.equal(config.kubo.rpc, 'http://127.0.0.1:5001')
  assert.equal(config.pin.stallTimeout, 120_000)
  assert.equal(config.pin.allowPrivateOrigins, false)
  assert.equal(config.database.url, undefined)
})

test('a flag wins over the environment, and the environment over the file', async () => {
  await using file = await yaml(
    'pin: { maxAge: 1h, stallTimeout: 10s, concurrency: 8, allowPrivateOrigins: true }',
  )
  const env = { ANCHORAGE_CONFIG: file.path, ANCHORAGE_PIN_MAX_AGE: '2h', ANCHORAGE_PIN_STALL_TIMEOUT: '20s' }
  const { pin } = loadConfig({ argv: ['--pin.max-age=3h'], env })
  assert.deepEqual(
    [pin.maxAge, pin.stallTimeout, pin.concurrency, pin.allowPrivateOrigins],
    [3 * 3_600_000, 20_000, 8, true],
  )
})

test('--config names the file, and wins over ANCHORAGE_CONFIG', async () => {
  await using file = await yaml(
    'node:\n  name: from-the-flag\n  announce: [/dns4/a/tcp/1/p2p/x, /dns4/b/tcp/1/p2p/y]\n',
  )
  const { node } = loadConfig({ argv: ['--config', file.path], env: { ANCHORAGE_CONFIG: '/nowhere' } })
  assert.equal(node.name, 'from-the-flag')
  assert.deepEqual(node.announce, ['/dns4/a/tcp/1/p2p/x', '/dns4/b/tcp/1/p2p/y'])
})

test('an option whose name has three parts is given like any other', async () => {
  await using file = await yaml(
    'nats: { clientPort: 4, cluster: { listen: 0.0.0.0:6222, members: [a:1, b:2] } }',
  )
  const env = { ANCHORAGE_CONFIG: file.path, ANCHORAGE_NATS_CLUSTER_CA_FILE: '/ca.pem' }
  const { nats } = requireKeys(loadConfig({ argv: ['--nats.cluster.cert-file=/cert.pem'], env }), [
    'nats.cluster.listen',
  ])
  assert.deepEqual(nats.cluster.listen, { host: '0.0.0.0', port: 6222 })
  assert.deepEqual(nats.cluster.members, ['a:1', 'b:2'])
  assert.deepEqual([nats.clientPort, nats.cluster.caFile], [4, '/ca.pem'])
  assert.equal(nats.cluster.certFile, '/cert.pem')
  assert.throws(() => requireKeys(loadConfig({ env: {} }), ['nats.cluster.listen']), /nats\.cluster\.listen/)
})

test('print shows where each value comes from, and shows no secret', () => {
  const env = {
    ANCHORAGE_DATABASE_URL: 'postgres://tenant:pa55word@db/anchorage',
    ANCHORAGE_DATABASE_SYSTEM_URL: 'postgres://system@db/anchorage?password=pa55word',
    ANCHORAGE_AUTH_MASTER_KEY: 'c2VjcmV0',
  }
  const flags = ['--nats.url', 'nats://here:4222', '--pin.max-age', '3h']
  const shown = resolveConfig({ argv: flags, env }).map(({ key, shown, from }) =>
    [key, shown, from].join(' '),
  )
  assert.ok(shown.includes('database.url postgres://tenant:***@db/anchorage ANCHORAGE_DATABASE_URL'))
  assert.ok(
    shown.includes(
      'database.systemUrl postgres://system@db/anchorage?password=*** ANCHORAGE_DATABASE_SYSTEM_URL',
    ),
  )
  assert.ok(shown.includes('auth.masterKey *** ANCHORAGE_AUTH_MASTER_KEY'))
  assert.ok(shown.includes('nats.url nats://here:4222 --nats.url'))
  assert.ok(shown.includes('pin.maxAge 3h --pin.max-age'))
  assert.ok(shown.includes('pin.concurrency 32 default'))
})

test('a secret prints as *** whichever way it is printed', () => {
  const env = { ANCHORAGE_AUTH_MASTER_KEY: 'c2VjcmV0', ANCHORAGE_NATS_URL: 'nats://me:pa55word@nats:4222' }
  const { auth, nats } = loadConfig({ env })
  const prints: ((value: unknown) => string)[] = [
    String,
    JSON.stringify,
    inspect,
    (value) => inspect({ deep: [value] }),
  ]
  for (const print of prints) {
    assert.match(print(auth.masterKey), /\*\*\*/)
    assert.doesNotMatch(print(auth.masterKey) + print(nats.url), /c2VjcmV0|pa55word/)
  }
  assert.equal(auth.masterKey?.reveal(), 'c2VjcmV0')
  assert.equal(nats.url?.reveal(), 'nats://me:pa55word@nats:4222')
})

test('a secret given as a flag is refused, with how to give it instead, and is not repeated', () => {
  const secrets = {
    '--auth.master-key': 'pa55word',
    '--oidc.client-secret': 'pa55word',
    '--nats.cluster.secret': 'pa55word',
    '--database.url': 'postgres://t:pa55word@db/a',
    '--database.system-url': 'postgres://s@db/a?password=pa55word',
    '--database.owner-url': 'postgresql://o:pa55word@db/a',
    '--nats.url': 'tls://n:pa55word@nats:4222',
  }
  const flags = Object.entries(secrets)
  for (const argv of [flags.flat(), flags.map(([flag, value]) => `${flag}=${value}`)]) {
    const found = problems(() => loadConfig({ argv, env: {} }))
    assert.deepEqual(new Set(found.map((line) => line.split(': ')[0])), new Set(Object.keys(secrets)))
    assert.doesNotMatch(found.join(), /pa55word/)
    assert.match(
      found.join('\n'),
      /^--auth\.master-key: .* give ANCHORAGE_AUTH_MASTER_KEY, auth\.masterKeyFile \(a file\) or auth\.masterKey in the config file$/m,
    )
    assert.match(
      found.join('\n'),
      /^--nats\.url: .* give ANCHORAGE_NATS_URL or nats\.url in the config file$/m,
    )
  }
  assert.match(
    problems(() => loadConfig({ argv: ['--auth.masterkey=pa55word'], env: {} })).join(),
    /--auth\.masterkey \(/,
  )
  const without = loadConfig({ argv: ['--database.url', 'postgres://t@db/a'], env: {} })
  assert.equal(without.database.url?.reveal(), 'postgres://t@db/a')
})

test('an unknown key, variable or flag is an error that names the nearest one, or the keys of its section', async () => {
  await using file = await yaml(
    'htpp: { listen: "127.0.0.1:80" }\nkubo: http://x\nnode: { somethingElse: 1 }\n',
  )
  const env = {
    ANCHORAGE_CONFIG: file.path,
    ANCHORAGE_PIN_MAXAGE: '1h',
    ANCHORAGE_URL: 'u',
    ANCHORAGE_TOKEN: 't',
  }
  const message = problems(() => loadConfig({ argv: ['--kubo.rcp', 'http://x'], env }))
  assert.deepEqual(message, [
    `${file.path}: unknown key htpp.listen (did you mean http.listen?)`,
    `${file.path}: kubo is a section, not an option; it contains rpc: write kubo: { rpc: … }`,
    `${file.path}: unknown key node.somethingElse; the section node contains name, zone, announce`,
    'unknown variable ANCHORAGE_PIN_MAXAGE (did you mean ANCHORAGE_PIN_MAX_AGE?)',
    'unknown flag --kubo.rcp (did you mean --kubo.rpc?)',
  ])
})

test('a value that does not parse is an error that names where it was given and what was expected', async () => {
  await using file = await yaml('database: { url: "mysql://db" }')
  const env = { ANCHORAGE_CONFIG: file.path, ANCHORAGE_PIN_CONCURRENCY: '0', ANCHORAGE_LOG_LEVEL: 'loud' }
  const argv = ['--pin.max-age', 'soon', '--http.listen', 'localhost', '--kubo.rpc', 'kubo']
  const message = problems(() => loadConfig({ argv, env })).join('\n')
  assert.match(message, /: database\.url: expected a URL that starts with postgres:\/\/ or postgresql:\/\//)
  assert.match(message, /^ANCHORAGE_PIN_CONCURRENCY: expected a whole number from 1 to 1024$/m)
  assert.match(message, /^ANCHORAGE_LOG_LEVEL: expected one of trace, /m)
  assert.match(message, /^--pin\.max-age: expected a duration such as/m)
  assert.match(message, /^--http\.listen: expected host:port/m)
  assert.match(message, /^--kubo\.rpc: expected a URL/m)
})

test('an unreadable or broken file is an error that names it', async () => {
  assert.match(
    problems(() => loadConfig({ argv: ['--config=/no/such.yaml'], env: {} })).join(),
    /\/no\/such\.yaml/,
  )
  await using file = await yaml('pin:\n  maxAge: [1h\n')
  assert.match(problems(() => loadConfig({ argv: ['--config', file.path], env: {} })).join(), /\.yaml:\d+: /)
})

test('an option that a verb needs and lacks is named in all its spellings', () => {
  const config = loadConfig({ env: { ANCHORAGE_DATABASE_URL: 'postgres://db' } })
  assert.deepEqual(
    problems(() => requireKeys(config, ['database.url', 'database.systemUrl'])),
    [
      'database.systemUrl is not set: give ANCHORAGE_DATABASE_SYSTEM_URL or database.systemUrl in the config file',
    ],
  )
  assert.equal(requireKeys(config, ['database.url']).database.url.reveal(), 'postgres://db')
})

test('a command line is split into config flags and words of the verb', () => {
  const argv = [
    '--org',
    'acme',
    '--pin.allow-private-origins',
    'pos',
    '--log.level',
    'debug',
    '--config=c',
    '--',
    '--log.level',
  ]
  assert.deepEqual(splitFlags(argv), {
    config: ['--pin.allow-private-origins', '--log.level', 'debug', '--config=c'],
    rest: ['--org', 'acme', 'pos', '--', '--log.level'],
  })
})

test('every option has its own variable and flag', () => {
  assert.equal(variableOf('pin.maxAge'), 'ANCHORAGE_PIN_MAX_AGE')
  assert.equal(flagOf('auth.masterKeyFile'), 'auth.master-key-file')
  assert.equal(new Set(configKeys.map(variableOf)).size, configKeys.length)
  assert.equal(new Set(configKeys.map(flagOf)).size, configKeys.length)
})

test('docs/config.md is current (anchorage config docs > docs/config.md makes it so)', async () => {
  assert.equal(await readFile(join(import.meta.dirname, '../../docs/config.md'), 'utf8'), configDocs())
})

function problems(work: () => unknown): string[] {
  try {
    work()
  } catch (error) {
    if (error instanceof AnchorageError && error.code === 'invalid') return error.message.split('\n')
    throw error
  }
  throw new assert.AssertionError({ message: 'no problem was found' })
}

async function yaml(text: string) {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-config-'))
  const path = join(dir, 'anchorage.yaml')
  await writeFile(path, text)
  return { path, [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) }
}

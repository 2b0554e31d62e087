import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { everyVerb } from './completion/words.ts'
import { main } from './main.ts'
import { verbs } from './verbs.ts'

const program = join(import.meta.dirname, 'main.ts')

test('without a verb, the verbs are listed: with --help that is success, otherwise wrong use', async () => {
  const [bare, help, helpVerb] = await Promise.all([
    anchorage([]),
    anchorage(['--help']),
    anchorage(['help']),
  ])
  assert.deepEqual([bare.code, bare.stdout], [2, ''])
  assert.match(bare.stderr, /anchorage serve +run a node/)
  assert.deepEqual([help.code, help.stderr, help.stdout], [0, '', bare.stderr])
  assert.deepEqual(helpVerb, help)
  for (const line of help.stdout.split('\n')) assert.ok(line.length <= 80, line)
})

test('every verb explains itself with --help, on standard output, wherever the option is', async () => {
  const verbs = (await anchorage(['--help'])).stdout.matchAll(/^ {2}anchorage (\S+(?: \S+)?) {2}/gm)
  const names = [...verbs].map(([, name = '']) => name.trim())
  assert.ok(names.length > 8)
  await Promise.all(
    names.map(async (name) => {
      const { code, stdout, stderr } = await anchorage([...name.split(' '), 'stray', '--help'])
      assert.deepEqual([name, code, stderr], [name, 0, ''])
      assert.match(stdout, new RegExp(`^Usage: anchorage ${name}`))
    }),
  )
})

test('wrong use exits with 2, says what to do, and writes nothing to standard output', async () => {
  const cases: [string[], RegExp][] = [
    [['srve'], /unknown verb srve \(did you mean serve\?\)/],
    [['pin', 'lst'], /unknown verb pin lst \(did you mean pin ls\?\)/],
    [['config', 'chek'], /expected check, print, docs, limits or metrics after config, not chek/],
    [['config', 'print', '--offline'], /--offline belongs to config check/],
    [['config', 'print', 'more'], /unexpected argument more/],
    [['config', 'print', '--jsno'], /unknown option --jsno \(did you mean --json\?\)/],
    [
      ['config', 'print', '--pin.max-agee', '3h'],
      /unknown flag --pin\.max-agee \(did you mean --pin\.max-age\?\)/,
    ],
    [['migrate'], /expected up or status after migrate/],
    [['migrate', 'status'], /database\.ownerUrl is not set: give ANCHORAGE_DATABASE_OWNER_URL/],
    [['serve', '--http.listen', 'x'], /--http\.listen: expected host:port/],
    [['admin', 'mint-token', '--scopes', 'pins:read'], /--org SLUG is missing/],
    [['admin', 'mint-token', '--org', 'a', '--scopes', 'b', '--ttl', '90'], /--ttl: expected a duration/],
    [['admin', 'create-org', 'Not A Slug'], /a SLUG has at most 63/],
    [['admin', 'drian', 'a'], /unknown verb admin drian \(did you mean admin drain\?\)/],
    [['admin', 'drain'], /NODE is missing/],
    [['admin', 'drain', 'a', '--wait', '--no-wait'], /either --wait or --no-wait/],
    [['admin', 'maintenance', 'onn'], /expected on, off or status after maintenance, not onn/],
    [['admin', 'maintenance', 'on'], /--reason TEXT is missing/],
    [['admin', 'maintenance', 'off', '--ttl', '1h'], /--reason and --ttl belong to maintenance on/],
    [['admin', 'rebalance', '--plan', 'x', '--dry-run'], /expected only one of --dry-run and --plan/],
    [['admin', 'rebalance', '--pause', 'x'], /x is not the id of a plan/],
    [['admin', 'reconcile', '--confirm'], /NODE is missing/],
    [['admin', 'reconcile', '--adopt', 'acme'], /NODE is missing/],
    [['admin', 'reconcile', 'a', '--list', '--confirm'], /either --confirm or --list/],
    [['admin', 'audit', '--limit', '0'], /--limit: expected a whole number from 1 to 1000, not 0/],
    [['pin', 'add', 'x'], /no service URL: give --url or set ANCHORAGE_URL/],
    [
      ['pin', 'add', 'x', '--url', 'http://127.0.0.1:1/v1'],
      /no API token: set ANCHORAGE_TOKEN or give --token-file/,
    ],
    [['serve', '--auth.master-key', 'x'], /--auth\.master-key: a secret cannot be a flag/],
    [['admin', 'orgs', '--database.url=postgres://t:x@db/a'], /--database\.url: a secret cannot be a flag/],
    [['pin', 'ls', '--status', 'lost'], /--status lost: expected one of queued, pinning, pinned, failed/],
    [['pin', 'ls', '--limit', '0'], /--limit 0: expected a whole number/],
    [['pin', 'rm'], /expected either REQUESTIDs or filters/],
  ]
  await Promise.all(
    cases.map(async ([argv, expected]) => {
      const { code, stdout, stderr } = await anchorage(argv)
      assert.deepEqual([argv, code, stdout], [argv, 2, ''], stderr)
      assert.match(stderr, expected)
      assert.doesNotMatch(stderr, /\n {4}at /)
    }),
  )
})

test('config print shows the source of each value as a table or as JSON, and no secret in either', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-cli-'))
  const file = join(dir, 'anchorage.yaml')
  await writeFile(file, 'database: { url: "postgres://t:pa55word@db/a" }\nauth: { masterKey: c2VjcmV0 }\n')
  const argv = ['config', 'print', '--config', file]
  const [table, asJson] = await Promise.all([anchorage(argv), anchorage([...argv, '--json'])])
  await rm(dir, { recursive: true })
  assert.match(table.stdout, /^OPTION +VALUE +FROM\n/)
  assert.match(
    table.stdout,
    /^database\.url +postgres:\/\/t:\*\*\*@db\/a +\S+anchorage\.yaml: database\.url$/m,
  )
  assert.deepEqual(JSON.parse(asJson.stdout)['auth.masterKey'], {
    value: '***',
    from: `${file}: auth.masterKey`,
  })
  assert.doesNotMatch(table.stdout + asJson.stdout, /pa55word|c2VjcmV0/)
})

test('generated pages are available as JSON too', async () => {
  const [plain, asJson] = await Promise.all([
    anchorage(['config', 'limits']),
    anchorage(['config', 'limits', '--json']),
  ])
  assert.deepEqual(JSON.parse(asJson.stdout), { markdown: plain.stdout })
})

test('config check --offline fails with every problem at once, and passes for a complete configuration', async () => {
  const lacking = await anchorage(['config', 'check', '--offline'], {
    ANCHORAGE_AUTH_MASTER_KEY: 'dG9vIHNob3J0',
  })
  assert.equal(lacking.code, 1)
  assert.match(lacking.stderr, /database\.url is not set/)
  assert.match(lacking.stderr, /database\.systemUrl is not set/)
  assert.match(lacking.stderr, /auth\.masterKey must be 32 bytes in base64/)
  const given = {
    ANCHORAGE_DATABASE_URL: 'postgres://t@db/a',
    ANCHORAGE_DATABASE_SYSTEM_URL: 'postgres://s@db/a',
    ANCHORAGE_AUTH_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
  }
  const plain = await anchorage(['config', 'check', '--offline'], given)
  assert.equal(plain.code, 1)
  assert.match(
    plain.stderr,
    /^database\.url would send its password unencrypted.*\ndatabase\.systemUrl would/,
  )
  const sound = {
    ...given,
    ANCHORAGE_DATABASE_URL: `${given.ANCHORAGE_DATABASE_URL}?sslmode=verify-full`,
    ANCHORAGE_DATABASE_SYSTEM_URL: `${given.ANCHORAGE_DATABASE_SYSTEM_URL}?sslmode=verify-full`,
  }
  const half = await anchorage(['config', 'check', '--offline'], {
    ...sound,
    ANCHORAGE_NATS_URL: 'nats://me:pa55word@nats',
    ANCHORAGE_HTTP_HSTS: '365d',
  })
  assert.equal(half.code, 1)
  assert.match(
    half.stderr,
    /^nats\.url would send its password.*unencrypted to nats.*\nhttp\.hsts needs an http\.publicUrl with https/,
  )
  const complete = await anchorage(['config', 'check', '--offline'], {
    ...sound,
    ANCHORAGE_NATS_URL: 'tls://me:pa55word@nats',
    ANCHORAGE_HTTP_HSTS: '365d',
    ANCHORAGE_HTTP_PUBLIC_URL: 'https://pins.example.com',
  })
  assert.deepEqual(complete, { code: 0, stdout: 'the configuration is complete\n', stderr: '' })
})

test('a failure is one clear line without secrets; --debug adds the stack', async () => {
  const env = { ANCHORAGE_DATABASE_OWNER_URL: 'postgres://o:pa55word@127.0.0.1:1/a' }
  const [plain, debug] = await Promise.all([
    anchorage(['migrate', 'status'], env),
    anchorage(['--debug', 'migrate', 'status'], env),
  ])
  assert.deepEqual([plain.code, plain.stdout, debug.code], [1, '', 1])
  assert.match(plain.stderr, /^anchorage: Postgres cannot be reached/)
  assert.doesNotMatch(plain.stderr, /\n {4}at /)
  assert.match(debug.stderr, /\n {4}at .*migrate/)
  assert.doesNotMatch(plain.stderr + debug.stderr, /pa55word/)
})

test('as a process, it separates results, messages and exit codes', async () => {
  const [version, wrong, failed] = await Promise.all([
    anchorageProcess(['--version']),
    anchorageProcess(['config', 'print', '--nonsense']),
    anchorageProcess(['config', 'check']),
  ])
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/)
  assert.deepEqual([version.code, wrong.code, failed.code], [0, 2, 1])
  assert.deepEqual([version.stderr, wrong.stdout, failed.stdout], ['', '', ''])
  assert.match(wrong.stderr, /^anchorage: unknown option --nonsense\nSee: anchorage config --help\n$/)
})

test('a verb and the usual options show the version, also as JSON', async () => {
  const [verb, short, long] = await Promise.all([
    anchorage(['version']),
    anchorage(['-v']),
    anchorage(['--version']),
  ])
  assert.match(verb.stdout, /^\d+\.\d+\.\d+\n$/)
  assert.deepEqual([short, long], [verb, verb])
  for (const argv of [
    ['version', '--json'],
    ['--json', '-v'],
  ]) {
    const { version, node } = JSON.parse((await anchorage(argv)).stdout)
    assert.deepEqual([`${version}\n`, node], [verb.stdout, process.versions.node])
  }
})

test('global options are accepted before a verb, between its words, and after it', async () => {
  const after = await anchorage(['config', 'print', '--json'])
  assert.ok(JSON.parse(after.stdout)['http.listen'])
  assert.deepEqual(await anchorage(['--json', 'config', 'print']), after)
  assert.deepEqual(await anchorage(['--debug', 'config', '--json', 'print']), after)
  const between = await anchorage(['pin', '--json', 'ls'])
  assert.equal(JSON.parse(between.stderr).error.reason, 'BAD_REQUEST')
})

test('with --json, wrong use and failures are one line of JSON on standard error, and nothing else', async () => {
  const env = { ANCHORAGE_DATABASE_OWNER_URL: 'postgres://o:pa55word@127.0.0.1:1/a' }
  for (const [argv, code, reason, details] of [
    [['--json', 'pin'], 2, 'BAD_REQUEST', /^a verb is missing$/],
    [['srve', '--json'], 2, 'BAD_REQUEST', /^unknown verb srve \(did you mean serve\?\)$/],
    [['--json', 'pin', 'lst'], 2, 'BAD_REQUEST', /^unknown verb pin lst \(did you mean pin ls\?\)$/],
    [
      ['pin', 'ls', '--jsno', '--json'],
      2,
      'BAD_REQUEST',
      /^unknown option --jsno \(did you mean --json\?\)$/,
    ],
    [['migrate', '--json'], 2, 'BAD_REQUEST', /^expected up or status after migrate$/],
    [
      ['--json', 'config', 'check', '--http.listen', 'x'],
      1,
      'BAD_REQUEST',
      /--http\.listen: expected host:port/,
    ],
    [['migrate', 'status', '--json'], 1, 'SERVICE_UNAVAILABLE', /^Postgres cannot be reached/],
  ] as const) {
    const ran = await anchorage([...argv], env)
    assert.deepEqual([argv, ran.code, ran.stdout], [argv, code, ''], ran.stderr)
    assert.match(ran.stderr, /^[^\n]+\n$/)
    assert.deepEqual(Object.keys(JSON.parse(ran.stderr)), ['error'])
    const { error } = JSON.parse(ran.stderr)
    assert.deepEqual([Object.keys(error), error.reason], [['reason', 'details'], reason])
    assert.match(error.details, details)
    assert.doesNotMatch(ran.stderr, /pa55word/)
  }
})

test('a forgotten value, contradicting options and a word in place of a verb are explained', async () => {
  for (const [argv, words] of [
    [['admin', 'maintenance', 'on', '--reason', '--json'], /--reason: expected a value after it, not --json/],
    [['admin', 'audit', '--limit'], /--limit: expected a value after it/],
    [['admin', 'audit', '--follow=yes'], /unknown option --follow=yes/],
    [['--limit', '3', 'pin', 'ls'], /unknown option --limit before a verb/],
    [['version', 'now'], /unexpected argument now/],
    [['pin', 'ls', '--pin.max-age', '3h'], /unknown option --pin\.max-age/],
    [['pin', 'lss'], /did you mean pin ls\?\)\nSee: anchorage pin --help\n/],
    [['pin', 'ls', '--tokn', 'x'], /unknown option --tokn\nSee/],
    [['completion'], /expected bash, zsh or fish after completion/],
  ] as const) {
    const { code, stdout, stderr } = await anchorage([...argv])
    assert.deepEqual([argv, code, stdout], [argv, 2, ''], stderr)
    assert.match(stderr, words)
  }
})

test('colours are only for terminals, and can be switched off', async () => {
  const argv = ['doctor', '--http.listen', 'x']
  const red = '\u001b[31mFAIL'
  const terminal = { columns: 80 }
  assert.ok((await anchorage(argv, {}, terminal)).stdout.includes(red))
  for (const plain of [
    await anchorage(argv),
    await anchorage(argv, { NO_COLOR: '1' }, terminal),
    await anchorage(argv, { TERM: 'dumb' }, terminal),
    await anchorage([...argv, '--no-color'], {}, terminal),
    await anchorage([...argv, '--json'], {}, terminal),
  ])
    assert.doesNotMatch(plain.stdout, /\u001b/)
  assert.match(
    (await anchorage(['srve'], {}, null, true)).stderr,
    /^\u001b\[31manchorage:\u001b\[39m unknown verb/,
  )
  assert.match((await anchorage(['srve'], {}, terminal)).stderr, /^anchorage: unknown verb/)
})

test('every verb has an example, and describes its JSON', async () => {
  for (const { name, help } of await everyVerb(verbs)) {
    assert.match(help, new RegExp(`^Examples:\\n {2}anchorage ${name}`, 'm'))
    if (name !== 'serve') assert.match(help, /^JSON:$/m, name)
  }
})

test('a reader that closes the pipe early is not a failure', async () => {
  const child = spawn(process.execPath, [program, 'config', 'docs'], {
    env: {},
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stdout.destroy()
  const [[code], stderr] = await Promise.all([once(child, 'close'), text(child.stderr)])
  assert.deepEqual([code, stderr], [0, ''])
})

/** Runs the command line within this process. */
async function anchorage(
  argv: string[],
  env: Record<string, string> = {},
  terminal: { columns: number } | null = null,
  errIsTerminal = false,
) {
  const written = { stdout: '', stderr: '' }
  const code = await main(argv, {
    env,
    out: (text) => (written.stdout += text),
    err: (text) => (written.stderr += text),
    terminal,
    errIsTerminal,
    signal: new AbortController().signal,
  })
  return { code, ...written }
}

/** Runs the command line as a process of its own. */
async function anchorageProcess(argv: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [program, ...argv], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const [[code], stdout, stderr] = await Promise.all([
    once(child, 'close'),
    text(child.stdout),
    text(child.stderr),
  ])
  return { code: Number(code), stdout, stderr }
}

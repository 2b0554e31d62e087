import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { test } from 'node:test'
import { freePort } from '../../dev/free-port.ts'
import { main } from '../main.ts'
import type { Process } from '../verb.ts'

const cid = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'

test('pin add follows the pin until it is pinned, and prints each change once in a pipe', async () => {
  await using service = await serve(
    accept(),
    answer(200, pin('pinning', { blocks: '3', bytes: '2048' })),
    answer(200, pin('pinning', { blocks: '3', bytes: '2048' })),
    answer(200, pin('pinned', { dag_size: '4096', blocks: '6', bytes: '4096' })),
  )
  const origin = '/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'
  const run = await service.anchorage('pin', 'add', cid, '--name', 'n', '--origin', origin, '--meta', 'a=b=c')
  assert.deepEqual(run, {
    code: 0,
    stdout: 'pin_1\nqueued\npinning, 3 blocks, 2.0 KiB\npinned, 6 blocks, 4.0 KiB of 4.0 KiB\n',
    stderr: '',
  })
  assert.deepEqual(service.asked[0], {
    request: 'POST /v1/pins',
    authorization: 'Bearer secret',
    body: { cid, name: 'n', origins: [origin], meta: { a: 'b=c' } },
  })
  assert.deepEqual(
    service.asked.slice(1).map(({ request }) => request),
    Array(3).fill('GET /v1/pins/pin_1'),
  )
})

test('on a terminal, one line is overwritten, and nothing is wider than the terminal', async () => {
  await using service = await serve(accept(), answer(200, pin('pinned', {})))
  const { code, stdout } = await service.anchorage.onTerminal(40, 'pin', 'add', cid)
  assert.equal(code, 0)
  const [, ...frames] = stdout.split('\r\u001b[K')
  assert.equal(frames.length, 2)
  assert.ok(frames.every((frame) => frame.trimEnd().length < 40))
  assert.ok(stdout.endsWith('\n'))
})

test('pin add exits with 1 and the reason when the pin fails', async () => {
  const details = 'not fetched within 24h'
  await using service = await serve(
    accept(),
    answer(200, pin('failed', { error_code: 'not_found_in_time', status_details: details, attempts: '7' })),
  )
  const { code, stdout, stderr } = await service.anchorage('pin', 'add', cid)
  assert.equal(code, 1)
  assert.match(stdout, /failed, attempt 7 \(not_found_in_time\)\n$/)
  assert.equal(stderr, `failed: ${details}\n`)
})

test('pin add keeps asking while the service is briefly unreachable', async () => {
  await using service = await serve(
    accept(),
    answer(
      503,
      { error: { reason: 'SERVICE_UNAVAILABLE', details: 'Postgres is away' } },
      { 'retry-after': '0' },
    ),
    answer(200, pin('pinned', {})),
  )
  const { code, stdout } = await service.anchorage('pin', 'add', cid)
  assert.equal(code, 0)
  assert.match(stdout, /Postgres is away; asking again/)
})

test('pin add --background returns at once, with the id alone or the pin as JSON', async () => {
  await using service = await serve(accept(), accept(), accept())
  assert.deepEqual(await service.anchorage('pin', 'add', cid, '--background'), {
    code: 0,
    stdout: 'pin_1\n',
    stderr: '',
  })
  assert.equal((await service.anchorage('pin', 'add', cid, '--no-wait')).stdout, 'pin_1\n')
  const { stdout } = await service.anchorage('pin', 'add', cid, '--background', '--json')
  assert.deepEqual(JSON.parse(stdout), pin('queued', {}))
})

test('a refusal of the service is one line with its reason', async () => {
  await using service = await serve(
    answer(400, { error: { reason: 'BAD_REQUEST', details: 'cid is no CID' } }),
    answer(401, { error: { reason: 'UNAUTHORIZED', details: 'the token has expired' } }),
    answer(404, { error: { reason: 'NOT_FOUND', details: 'there is no such pin' } }),
  )
  const refusals = [
    await service.anchorage('pin', 'add', 'nonsense'),
    await service.anchorage('pin', 'ls'),
    await service.anchorage('pin', 'status', 'pin_9'),
  ]
  assert.deepEqual(
    refusals.map(({ code, stdout }) => [code, stdout]),
    [
      [2, ''],
      [1, ''],
      [1, ''],
    ],
  )
  assert.match(refusals[0]?.stderr ?? '', /cid is no CID/)
  assert.match(refusals[1]?.stderr ?? '', /the token has expired/)
  assert.match(refusals[2]?.stderr ?? '', /no such pin/)
})

test('an unreachable service is reported with the cause and the address, without the token', async () => {
  // Not port 1, because fetch refuses to dial it.
  const port = await freePort()
  const { code, stderr } = await anchorage({}, 'pin', 'ls', '--url', `http://127.0.0.1:${port}/v1`)
  assert.equal(code, 1)
  assert.equal(
    stderr,
    `anchorage: http://127.0.0.1:${port}/v1 cannot be reached: check that the service runs at this ` +
      `address\n  because: connect ECONNREFUSED 127.0.0.1:${port}\n`,
  )
})

test('a token comes from the environment or a file; as a flag, which every user can read, it is refused and not printed', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-token-'))
  const file = join(dir, 'token')
  await writeFile(file, 'of-the-file\n')
  await using service = await serve(answer(200, { count: 0, results: [] }))
  assert.equal((await service.anchorage('pin', 'ls', '--token-file', file)).code, 0)
  assert.equal(service.asked[0]?.authorization, 'Bearer of-the-file')
  await rm(dir, { recursive: true })
  for (const given of [['--token', 'hunter2'], ['--token=hunter2']]) {
    const { code, stderr } = await service.anchorage('pin', 'ls', ...given)
    assert.equal(code, 2)
    assert.match(stderr, /ANCHORAGE_TOKEN or give --token-file FILE/)
    assert.doesNotMatch(stderr, /hunter2/)
  }
  const { code, stderr } = await service.anchorage('pin', 'ls', '--token-file', file)
  assert.deepEqual([code, /--token-file cannot be read/.test(stderr)], [2, true])
})

test('pin ls asks for every status, and shows a table', async () => {
  await using service = await serve(
    answer(200, { count: 3, results: [pin('queued', {}, 'pin_2'), pin('pinned', {})] }),
  )
  const { code, stdout, stderr } = await service.anchorage(
    'pin',
    'ls',
    '--name',
    'N',
    '--match',
    'ipartial',
    '--limit',
    '2',
  )
  assert.equal(code, 0)
  assert.match(stdout, /^REQUESTID +CID +STATUS +AGE +NAME\npin_2 +baf\w+ +queued +\d+\w\npin_1 +baf/)
  assert.match(stderr, /^2 of 3; --all/)
  const { pathname, searchParams } = new URL(service.asked[0]?.request.slice(4) ?? '', 'http://x')
  assert.equal(pathname, '/v1/pins')
  assert.deepEqual(Object.fromEntries(searchParams), {
    status: 'queued,pinning,pinned,failed',
    name: 'N',
    match: 'ipartial',
    limit: '2',
  })
})

test('pin ls --all reads page after page, each one before the last pin of the page before', async () => {
  const full = Array.from({ length: 1000 }, (_, i) => pin('pinned', {}, `pin_a${i}`))
  await using service = await serve(
    answer(200, { count: 1001, results: full }),
    answer(200, { count: 1, results: [pin('pinned', {}, 'pin_last')] }),
  )
  const { code, stdout } = await service.anchorage(
    'pin',
    'ls',
    '--all',
    '--json',
    '--meta',
    'k=v',
    '--cid',
    cid,
  )
  assert.equal(code, 0)
  const listed = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).requestid)
  assert.deepEqual([listed.length, listed.at(-1)], [1001, 'pin_last'])
  const second = new URL(service.asked[1]?.request.slice(4) ?? '', 'http://x').searchParams
  assert.equal(second.get('before'), '2026-11-23T00:00:00.000Z')
  assert.deepEqual(JSON.parse(second.get('meta') ?? ''), { k: 'v' })
  assert.equal(second.get('cid'), cid)
})

test('pin rm removes the named pins, and says which did not exist', async () => {
  await using service = await serve(answer(202), answer(404, { error: { reason: 'NOT_FOUND' } }))
  const { code, stdout, stderr } = await service.anchorage('pin', 'rm', 'pin_1', 'pin_2')
  assert.deepEqual([code, stdout, stderr], [1, 'pin_1\n', 'pin_2: there is no such pin\n'])
})

test('pin rm by name removes several only with --force', async () => {
  const two = { count: 2, results: [pin('queued', {}, 'pin_2'), pin('pinned', {})] }
  await using service = await serve(
    answer(200, two),
    answer(200, two),
    answer(200, two),
    answer(202),
    answer(202),
  )
  const refused = await service.anchorage('pin', 'rm', '--name', 'n')
  assert.deepEqual([refused.code, service.asked.length], [2, 1])
  assert.match(refused.stderr, /2 pins match; --force or --yes removes all of them/)
  const forced = await service.anchorage('pin', 'rm', '--name', 'n', '--force')
  assert.deepEqual([forced.code, forced.stdout], [0, 'pin_2\npin_1\n'])
  assert.deepEqual(
    service.asked.slice(3).map(({ request }) => request),
    ['DELETE /v1/pins/pin_2', 'DELETE /v1/pins/pin_1'],
  )
})

test('pin rm of several pins asks first, and --yes answers', async () => {
  const two = { count: 2, results: [pin('queued', {}, 'pin_2'), pin('pinned', {})] }
  await using service = await serve(
    answer(200, two),
    answer(200, two),
    answer(200, two),
    answer(202),
    answer(202),
  )
  const refused = await service.anchorage.asking('no', 'pin', 'rm', '--name', 'n')
  assert.deepEqual([refused.code, refused.stdout, service.asked.length], [1, '', 1])
  assert.match(refused.stderr, /^2 pins match, and all of them are removed\.\n/)
  const done = await service.anchorage('--yes', 'pin', 'rm', '--name', 'n')
  assert.deepEqual([done.code, done.stdout], [0, 'pin_2\npin_1\n'])
})

test('the list of pins fits a terminal of 80 columns and says how to see everything; --wide and a pipe show it all', async () => {
  const named = { ...pin('pinned', {}, `pin_${'x'.repeat(26)}`), pin: { cid, name: 'photos of 日本' } }
  const one = { count: 1, results: [named] }
  await using service = await serve(answer(200, one), answer(200, one), answer(200, one))
  const fit = await service.anchorage.onTerminal(80, 'pin', 'ls', '--no-color')
  for (const line of fit.stdout.split('\n')) assert.ok(line.length <= 80, line)
  assert.ok(fit.stdout.includes(named.requestid) && !fit.stdout.includes(cid))
  assert.match(fit.stderr, /cut short; --wide shows all\n$/)
  for (const all of [
    await service.anchorage.onTerminal(80, '--wide', 'pin', 'ls'),
    await service.anchorage('pin', 'ls'),
  ]) {
    assert.ok(all.stdout.includes(cid))
    assert.equal(all.stderr, '')
  }
})

test('with --json a refusal of the service is a line of JSON, like a failure of the API', async () => {
  await using service = await serve(
    answer(404, { error: { reason: 'NOT_FOUND', details: 'there is no such pin' } }),
    answer(202),
    answer(404, { error: { reason: 'NOT_FOUND' } }),
  )
  const away = await service.anchorage('--json', 'pin', 'status', 'pin_9')
  assert.deepEqual([away.code, away.stdout], [1, ''])
  assert.deepEqual(JSON.parse(away.stderr), {
    error: { reason: 'NOT_FOUND', details: 'there is no such pin' },
  })
  const some = await service.anchorage('pin', 'rm', 'pin_1', 'pin_2', '--json')
  assert.deepEqual([some.code, some.stdout], [1, '{"removed":"pin_1"}\n'])
  assert.deepEqual(JSON.parse(some.stderr), {
    error: { reason: 'NOT_FOUND', details: 'pin_2: there is no such pin' },
  })
})

test('pin status shows everything, and text from strangers cannot control the terminal', async () => {
  const odd = pin('pinning', { status_details: 'fetching', attempts: '2', next_retry: 'never' })
  await using service = await serve(
    answer(200, { ...odd, pin: { cid, name: 'a\u001b[2J', meta: { k: 'v\n' } } }),
  )
  const { code, stdout } = await service.anchorage('pin', 'status', 'pin_1')
  assert.equal(code, 0)
  assert.match(stdout, /^name +a\\u001b\[2J$/m)
  assert.match(stdout, /^meta +k=v\\u000a$/m)
  assert.match(stdout, /^details +fetching$/m)
  assert.match(stdout, /^status +pinning, attempt 2$/m)
  assert.match(stdout, /^delegate +\/ip4\//m)
})

type Step = (response: ServerResponse) => void

function pin(status: string, info: Record<string, string>, requestid = 'pin_1') {
  const delegates = ['/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA']
  return { requestid, status, created: '2026-11-23T00:00:00.000Z', pin: { cid }, delegates, info }
}

function answer(status: number, body?: unknown, headers: Record<string, string> = {}): Step {
  return (response) => {
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(body === undefined ? '' : JSON.stringify(body))
  }
}

function accept(): Step {
  return answer(202, pin('queued', {}))
}

/** A service that gives these answers in turn, and remembers the requests. */
async function serve(...steps: Step[]) {
  const asked: { request: string; authorization: string | undefined; body: unknown }[] = []
  const listener = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = request.method === 'POST' ? await json(request) : undefined
    asked.push({
      request: `${request.method} ${request.url}`,
      authorization: request.headers.authorization,
      body,
    })
    const step =
      steps.shift() ?? answer(500, { error: { reason: 'UNEXPECTED', details: 'nothing more was expected' } })
    step(response)
  }
  const server = createServer((request, response) => void listener(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  const url = `http://127.0.0.1:${typeof bound === 'object' ? bound?.port : ''}/v1`
  const call = (...argv: string[]) => anchorage({}, ...argv, '--url', url)
  const onTerminal = (columns: number, ...argv: string[]) =>
    anchorage({ terminal: { columns } }, ...argv, '--url', url)
  const asking = (reply: string, ...argv: string[]) =>
    anchorage({ ask: async () => reply }, ...argv, '--url', url)
  return {
    asked,
    anchorage: Object.assign(call, { onTerminal, asking }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
      assert.equal(steps.length, 0, 'every answer was asked for')
    },
  }
}

async function anchorage(given: Partial<Process>, ...argv: string[]) {
  const written = { stdout: '', stderr: '' }
  const code = await main(argv, {
    env: { ANCHORAGE_TOKEN: 'secret' },
    out: (text) => (written.stdout += text),
    err: (text) => (written.stderr += text),
    terminal: null,
    signal: new AbortController().signal,
    ...given,
  })
  return { code, ...written }
}

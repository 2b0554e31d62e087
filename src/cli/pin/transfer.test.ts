import assert from 'node:assert/strict'
import { once } from 'node:events'
import { appendFile, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { json } from 'node:stream/consumers'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { main } from '../main.ts'

const peer = '/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'
let dir: string
let secret: string
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'anchorage-transfer-'))
  secret = join(dir, 'token')
  await writeFile(secret, 'secret\n', { mode: 0o600 })
})
after(() => rm(dir, { recursive: true, force: true }))

test('each pin is exported once, newest first, from a service with small pages, equal times and refusals', async () => {
  await using source = await otherService({ pins: await somePins(20) })
  const file = join(dir, 'all')
  const { code, stdout, stderr } = await anchorage('pin', 'export', file, ...source.from())
  assert.equal(code, 0, stderr)
  assert.equal(stdout, `${file}: 20 pins\n`)
  assert.deepEqual(await idsIn(file), source.ids())
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.equal((await anchorage('pin', 'export', file, ...source.from())).code, 1, 'nothing is overwritten')
})

test('an interrupted export continues where it was, whatever the last line looks like', async () => {
  await using source = await otherService({ pins: await somePins(20) })
  const file = join(dir, 'resumed')
  source.failAfter(5)
  const broken = await anchorage('pin', 'export', file, ...source.from())
  assert.equal(broken.code, 1)
  assert.match(broken.stderr, /the token has expired/)
  assert.ok(!(await readdir(dir)).includes('resumed'))
  const begun = (await idsIn(`${file}.partial`)).length
  assert.ok(begun > 3 && begun < 20, String(begun))
  await appendFile(`${file}.partial`, '{"requestid":"half a li')
  source.failAfter(Infinity)
  const { code, stderr } = await anchorage('pin', 'export', file, ...source.from())
  assert.equal(code, 0, stderr)
  assert.match(stderr, new RegExp(`continuing .*partial, which has ${begun} pins`))
  assert.deepEqual(await idsIn(file), source.ids())
})

test('the token in the environment is for our own service: with --from it is never sent', async () => {
  await using source = await otherService({})
  for (const wrong of [[], ['--token', 'secret'], ['--token-file', secret, '--url', source.url]]) {
    const { code } = await anchorage('pin', 'export', join(dir, 'leak'), '--from', source.url, ...wrong)
    assert.equal(code, 2, wrong.join(' '))
  }
  assert.equal((await anchorage('pin', 'import', '--from', source.url, ...source.to().slice(0, 2))).code, 2)
  assert.equal(source.asked(), 0)
})

test('filters choose the pins that are exported', async () => {
  const [first, ...rest] = await somePins(3)
  assert.ok(first)
  await using source = await otherService({ pins: [{ ...first, status: 'failed' }, ...rest] })
  const file = join(dir, 'chosen')
  assert.equal((await anchorage('pin', 'export', file, '--status', 'failed', ...source.from())).code, 0)
  assert.equal((await idsIn(file)).length, 1)
})

test('an export from a service that does not page fails', async () => {
  await using source = await otherService({ pins: await somePins(20), ignoresBefore: true })
  const { code, stderr } = await anchorage('pin', 'export', join(dir, 'endless'), ...source.from())
  assert.equal(code, 1)
  assert.match(stderr, /reports 20 more matching pins, but lists the same 3 again and again/)
})

test('an import adds each pin once, even when answers are lost, and a second run adds nothing', async () => {
  await using source = await otherService({ pins: await somePins(25) })
  await using into = await otherService({ losesAnswers: true })
  const file = join(dir, 'import')
  await anchorage('pin', 'export', file, ...source.from())
  const first = await anchorage('pin', 'import', file, '--json', ...into.to())
  assert.equal(first.code, 0, first.stderr)
  assert.deepEqual(JSON.parse(first.stdout), { added: 25, there: 0, refused: 0 })
  assert.deepEqual(into.wishes(), source.wishes())
  const again = await anchorage('pin', 'import', file, ...into.to())
  assert.deepEqual([again.code, again.stdout], [0, '0 added, 25 existed already, 0 refused\n'])
  assert.equal(into.ids().length, 25)
})

test('an import reads directly from another service, whose nodes become origins', async () => {
  await using source = await otherService({
    pins: await somePins(12),
    delegates: [peer, '/dns4/no-peer/tcp/1'],
  })
  await using into = await otherService({ token: 'ours' })
  const ours = join(dir, 'ours')
  await writeFile(ours, 'ours\n', { mode: 0o600 })
  const to = ['--url', into.url, '--into-token-file', ours]
  const { code, stdout, stderr } = await anchorage('pin', 'import', ...source.from(), ...to)
  assert.deepEqual([code, stdout], [0, '12 added, 0 existed already, 0 refused\n'], stderr)
  for (const { pin } of into.pins()) assert.deepEqual(pin.origins, [peer])
})

test('lines without a pin, and refused pins, are named; the others are added', async () => {
  await using into = await otherService({ refuses: 'bad name' })
  const [one, two, three] = await somePins(3)
  assert.ok(one && two && three)
  const file = join(dir, 'odd')
  const lines = [JSON.stringify({ cid: one.pin.cid }), '', 'nonsense', '{"cid":"no cid"}', '{"pin":{}}']
  lines.push(JSON.stringify({ cid: two.pin.cid, name: 'bad name' }), JSON.stringify(three))
  await writeFile(file, lines.join('\n'))
  const { code, stdout, stderr } = await anchorage('pin', 'import', file, ...into.to())
  assert.deepEqual([code, stdout], [1, '2 added, 0 existed already, 4 refused\n'])
  for (const line of [3, 4, 5]) assert.match(stderr, new RegExp(`odd:${line}: this is not a pin with a CID`))
  assert.match(stderr, /odd:6: the name is bad/)
})

test('at the limit of the org an import stops and says so; the next run continues', async () => {
  await using into = await otherService({ most: 30 })
  const file = join(dir, 'quota')
  await writeFile(file, (await somePins(100)).map((pin) => `${JSON.stringify(pin)}\n`).join(''))
  const { code, stderr } = await anchorage('pin', 'import', file, ...into.to())
  assert.equal(code, 1)
  assert.match(stderr, /you have 30 pins; 30 pins were added before that: run it again to continue/)
  const asked = into.sought()
  into.allow(1_000)
  const again = await anchorage('pin', 'import', file, ...into.to())
  assert.deepEqual([again.code, again.stdout], [0, '70 added, 30 existed already, 0 refused\n'])
  assert.ok(
    asked <= 70,
    `${asked} pins were looked for: three batches that fit and four that did not, at most`,
  )
})

test('ambiguous options and unreadable files are refused', async () => {
  const at = ['--url', 'http://127.0.0.1:1', '--token-file', secret]
  for (const wrong of [
    [],
    ['f', '--from', 'http://x'],
    ['f', '--name', 'n'],
    ['f', '--into-token-file', secret],
  ])
    assert.equal((await anchorage('pin', 'import', ...wrong, ...at)).code, 2, wrong.join(' '))
  const { code, stderr } = await anchorage('pin', 'import', join(dir, 'absent'), ...at)
  assert.deepEqual([code, /absent cannot be read/.test(stderr)], [2, true], stderr)
})

interface Pin {
  cid: string
  name: string | null
  origins?: string[] | null
  meta: Record<string, string> | null
}
interface Row {
  requestid: string
  status: string
  created: string
  pin: Pin
  delegates: string[]
}
interface Ways {
  pins?: Row[]
  delegates?: string[]
  /** The bearer that it expects, when it is not `secret`. */
  token?: string
  ignoresBefore?: boolean
  /** Every fifth POST is carried out, and answered with 503. */
  losesAnswers?: boolean
  /** A name that it refuses. */
  refuses?: string
  most?: number
}

/** Pins as another service may write them: with microseconds, a UTC offset and null for absent fields. Two pins share each instant. */
async function somePins(count: number): Promise<Row[]> {
  const rows = Array.from({ length: count }, async (_, n): Promise<Row> => {
    const digest = await sha256.digest(Uint8Array.from([n, count]))
    return {
      requestid: `r${n}`,
      status: 'pinned',
      created: `2026-01-01T00:00:${String(Math.floor(n / 2)).padStart(2, '0')}.123456+00:00`,
      pin: {
        cid: CID.createV1(raw.code, digest).toString(),
        name: n % 3 === 0 ? `pin ${n}` : null,
        meta: n % 4 === 0 ? { b: '2', a: '1' } : null,
      },
      delegates: [],
    }
  })
  return (await Promise.all(rows)).toReversed()
}

/** A service of the specification that differs from ours: it has pages of three, and refuses every seventh request for a moment. */
async function otherService(ways: Ways) {
  const rows = [...(ways.pins ?? [])]
  let requests = 0
  const sought = new Set<string>()
  let failAfter = Infinity
  let most = ways.most ?? Infinity
  const say = (response: ServerResponse, status: number, body: unknown): void =>
    void response
      .writeHead(status, { 'content-type': 'application/json', 'retry-after': '0' })
      .end(JSON.stringify(body))
  const fail = (response: ServerResponse, status: number, reason: string, details: string) =>
    say(response, status, { error: { reason, details } })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    requests += 1
    if (requests > failAfter) return fail(response, 401, 'UNAUTHORIZED', 'the token has expired')
    if (requests % 7 === 0) return fail(response, 429, 'TOO_MANY', 'slow down')
    if (request.headers.authorization !== `Bearer ${ways.token ?? 'secret'}`)
      return fail(response, 401, 'UNAUTHORIZED', 'who?')
    if (request.method === 'GET') return list(new URL(request.url ?? '', 'http://x').searchParams, response)
    const pin = Object(await json(request))
    if (pin.name !== undefined && pin.name === ways.refuses)
      return fail(response, 400, 'BAD_REQUEST', 'the name is bad')
    if (rows.length >= most) return fail(response, 409, 'INSUFFICIENT_FUNDS', `you have ${rows.length} pins`)
    const created = new Date(Date.UTC(2026, 1, 1) + Math.floor(rows.length / 2)).toISOString()
    const row = { requestid: `n${rows.length}`, status: 'queued', created, pin, delegates: [] }
    rows.unshift(row)
    if (ways.losesAnswers && rows.length % 5 === 0) return fail(response, 503, 'AWAY', 'not now')
    say(response, 202, row)
  }

  function list(query: URLSearchParams, response: ServerResponse): void {
    const statuses = (query.get('status') ?? 'pinned').split(',')
    const cids = query.get('cid')?.split(',')
    for (const cid of cids ?? []) sought.add(cid)
    const before = ways.ignoresBefore ? null : query.get('before')
    const matching = rows.filter(
      (row) =>
        statuses.includes(row.status) &&
        (cids === undefined || cids.includes(row.pin.cid)) &&
        (before === null || Date.parse(row.created) < Date.parse(before)),
    )
    const size = cids === undefined ? 3 : Number(query.get('limit'))
    const delegates = ways.delegates ?? []
    say(response, 200, {
      count: matching.length,
      results: matching.slice(0, size).map((row) => ({ ...row, delegates })),
    })
  }

  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  const url = `http://127.0.0.1:${typeof bound === 'object' ? bound?.port : ''}`
  return {
    url,
    from: () => ['--from', url, '--token-file', secret],
    to: () => ['--url', url, '--token-file', secret],
    ids: () => rows.map(({ requestid }) => requestid),
    pins: () => rows,
    wishes: () =>
      rows
        .map(({ pin: { cid, name, meta } }) => JSON.stringify([cid, name ?? null, meta ?? null]))
        .toSorted(byText),
    asked: () => requests,
    /** How many CIDs clients have looked for. */
    sought: () => sought.size,
    failAfter: (count: number) => (failAfter = count === Infinity ? count : requests + count),
    allow: (count: number) => (most = count),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function byText(a: string, b: string): number {
  return a < b ? -1 : 1
}

async function idsIn(file: string): Promise<string[]> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line).requestid)
}

async function anchorage(...argv: string[]) {
  const written = { stdout: '', stderr: '' }
  const code = await main(argv, {
    env: { ANCHORAGE_TOKEN: 'ours' },
    out: (text) => (written.stdout += text),
    err: (text) => (written.stderr += text),
    terminal: null,
    signal: new AbortController().signal,
  })
  return { code, ...written }
}

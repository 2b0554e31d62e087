import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openDataDir } from './data-dir.ts'

async function folder() {
  const root = await mkdtemp(join(tmpdir(), 'anchorage-data-'))
  const said: string[] = []
  return {
    path: join(root, 'dir'),
    said,
    options: { reset: false, say: (line: string) => void said.push(line) },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  }
}

test('ports, passwords and the token are made once and kept, readable by their owner only', async () => {
  await using here = await folder()
  const first = await openDataDir(here.path, here.options)
  const port = await first.port('kubo')
  first.state.token = { value: 'secret', database: 'embedded' }
  await first.save()
  const { passwords } = first.state
  await first[Symbol.asyncDispose]()

  await using second = await openDataDir(here.path, here.options)
  assert.equal(await second.port('kubo'), port)
  assert.deepEqual(second.state.passwords, passwords)
  assert.deepEqual(second.state.token, { value: 'secret', database: 'embedded' })
  assert.equal((await stat(join(here.path, 'dev.json'))).mode & 0o777, 0o600)
})

test('a remembered port that something else took is replaced and reported', async () => {
  await using here = await folder()
  await using dir = await openDataDir(here.path, here.options)
  const port = await dir.port('kubo')
  const stranger = createServer().listen(port, '127.0.0.1')
  await once(stranger, 'listening')
  const other = await dir.port('kubo')
  assert.notEqual(other, port)
  assert.match(here.said.join(), new RegExp(`port ${port} of kubo is in use by another process`))
  stranger.close()
})

test('a port at which a node will listen is given to no server, although it is still free', async () => {
  await using here = await folder()
  await using dir = await openDataDir(here.path, here.options)
  const port = await dir.port('kubo')
  dir.keepFree([port, port + 1])
  assert.ok(![port, port + 1].includes(await dir.port('kubo')))
  assert.ok(![port, port + 1].includes(await dir.port('nats', port + 1)))
})

test('a second dev on one DIR is refused, and the error says which process has it', async () => {
  await using here = await folder()
  const first = await openDataDir(here.path, here.options)
  await assert.rejects(
    openDataDir(here.path, here.options),
    new RegExp(`already runs on .*process ${process.pid}\\)`),
  )
  await first[Symbol.asyncDispose]()
  await (await openDataDir(here.path, here.options))[Symbol.asyncDispose]()
})

test('a folder with other content is refused, even with --reset, and keeps its content', async () => {
  await using here = await folder()
  await mkdir(here.path)
  await writeFile(join(here.path, 'thesis.txt'), 'years of work')
  for (const reset of [false, true]) {
    await assert.rejects(
      openDataDir(here.path, { ...here.options, reset }),
      /contains other files \(thesis\.txt\)/,
    )
  }
  assert.deepEqual(await readdir(here.path), ['thesis.txt'])
})

test('a reset makes other passwords and leaves none of the old data', async () => {
  await using here = await folder()
  const first = await openDataDir(here.path, here.options)
  await mkdir(join(here.path, 'node-1'))
  await first[Symbol.asyncDispose]()
  await using second = await openDataDir(here.path, { ...here.options, reset: true })
  assert.notDeepEqual(second.state.passwords, first.state.passwords)
  assert.deepEqual((await readdir(here.path)).sort(), ['dev.json', 'dev.lock', 'logs'])
})

test('dev.env of the last run is removed at once', async () => {
  await using here = await folder()
  await (await openDataDir(here.path, here.options))[Symbol.asyncDispose]()
  await writeFile(join(here.path, 'dev.env'), 'export NODE_PID_1=1')
  await using _dir = await openDataDir(here.path, here.options)
  assert.deepEqual((await readdir(here.path)).includes('dev.env'), false)
})

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { lock, tryLock } from './lock.ts'
import { endProcess, identify, isRunning } from './identity.ts'

async function folder() {
  const path = await mkdtemp(join(tmpdir(), 'anchorage-lock-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

test('a lock has one holder at a time, and names it', async () => {
  await using dir = await folder()
  const path = join(dir.path, 'lock')
  const first = await tryLock(path)
  assert.ok('path' in first)
  const second = await tryLock(path)
  assert.deepEqual('heldBy' in second && second.heldBy, await identify(process.pid))
  await first[Symbol.asyncDispose]()
  await using third = await tryLock(path).then((got) => ('path' in got ? got : null))
  assert.ok(third)
})

test('many waiters get a lock in turn, never together', async () => {
  await using dir = await folder()
  let inside = 0
  await Promise.all(
    Array.from({ length: 5 }, async () => {
      await using _ = await lock(join(dir.path, 'lock'))
      inside++
      assert.equal(inside, 1)
      await new Promise((resolve) => setImmediate(resolve))
      inside--
    }),
  )
  assert.deepEqual(await readdir(dir.path), [])
})

test('the lock of a killed process is void, and so is a malformed one', async () => {
  await using dir = await folder()
  const path = join(dir.path, 'lock')
  for (const content of [JSON.stringify({ pid: process.pid, started: 'another life' }), '{"pid":', '']) {
    await writeFile(path, content)
    const got = await tryLock(path)
    assert.ok('path' in got, content)
    await got[Symbol.asyncDispose]()
  }
})

test('a process is identified by its start time too, and ended only if it is still the same one', async () => {
  const child = spawn('sleep', ['60'])
  const exited = once(child, 'exit')
  const process_ = await identify(child.pid ?? 0)
  assert.ok(process_)
  await endProcess({ ...process_, started: 'another life' }, 'SIGKILL', 1_000)
  assert.equal(await isRunning(process_), true)
  await endProcess(process_, 'SIGTERM', 5_000)
  assert.deepEqual(await exited, [null, 'SIGTERM'])
  assert.equal(await isRunning(process_), false)
})

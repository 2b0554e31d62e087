import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { patience } from '../../testing/patience.ts'
import { startChild, type ChildSpec } from './child.ts'

/** A folder with a server that is ready once it has written the file `ready`. */
async function stage(script: string, more: Partial<ChildSpec> = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-child-'))
  const events: string[] = []
  const spec: ChildSpec = {
    name: 'server',
    command: '/bin/sh',
    args: ['-c', script],
    cwd: dir,
    env: { PATH: '/usr/bin:/bin' },
    user: null,
    logFile: join(dir, 'log'),
    stopSignal: 'SIGTERM',
    stopGraceMs: 500,
    readyWithinMs: 30_000,
    prepare: () => rm(join(dir, 'ready'), { force: true }),
    ready: async (signal) => {
      while (!existsSync(join(dir, 'ready'))) await sleep(10, undefined, { signal })
    },
    restartAfterMs: 20,
    onChange: (event) => events.push('pid' in event ? 'up' : event.died),
    ...more,
  }
  return { dir, spec, events, [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) }
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + patience.usualMs
  while (!holds()) {
    assert.ok(performance.now() < deadline, 'it never came to that')
    await sleep(10)
  }
}

const runs = 'echo started >> runs; touch ready; exec sleep 60'

test('a server that is killed is started again, and a server that is stopped is not', async () => {
  await using here = await stage(runs)
  {
    await using child = await startChild(here.spec)
    const first = child.pid()
    child.kill()
    await until(() => here.events.length === 3)
    assert.notEqual(child.pid(), first)
  }
  await sleep(100)
  assert.deepEqual(here.events, ['up', 'server ended with SIGKILL', 'up'])
  assert.equal(await readFile(join(here.dir, 'runs'), 'utf8'), 'started\nstarted\n')
})

test('a server that must not be restarted stays down and reports that', async () => {
  await using here = await stage(runs, { restartAfterMs: null })
  await using child = await startChild(here.spec)
  child.kill()
  assert.equal(await child.gone, 'server ended with SIGKILL')
  assert.equal(child.pid(), null)
})

test('a server that is down is started again on request, however long it still had to wait', async () => {
  for (const restartAfterMs of [null, 600_000]) {
    await using here = await stage(runs, { restartAfterMs })
    await using child = await startChild(here.spec)
    child.startAgain() // the server is up: nothing happens, now or when it dies
    child.kill()
    await until(() => here.events.length === 2)
    await sleep(50)
    assert.equal(child.pid(), null)
    child.startAgain()
    await until(() => here.events.length === 3)
    assert.notEqual(child.pid(), null)
  }
})

test('a restart that fails is tried again until it succeeds', async () => {
  await using here = await stage(`[ -e broken ] && rm broken && exit 7; touch broken; ${runs}`)
  await using child = await startChild(here.spec)
  child.kill()
  await until(() => here.events.length === 4)
  assert.match(here.events.join('\n'), /^up\nserver ended with SIGKILL\nserver ended with code 7[^]*\nup$/)
})

test('a failed first start reports how it ended and the end of its log', async () => {
  await using here = await stage('echo "no such port" >&2; exit 3')
  await assert.rejects(startChild(here.spec), /server ended with code 3\nthe end of .*log:\n {2}no such port/)
})

test('a server that never becomes ready is stopped and reported', async () => {
  await using here = await stage('echo $$ > pid; exec sleep 60', { readyWithinMs: 300 })
  await assert.rejects(startChild(here.spec), /server was not ready after 0\.3 s/)
  const pid = Number(await readFile(join(here.dir, 'pid'), 'utf8'))
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})

test('an executable that does not exist is a failure and not a crash', async () => {
  await using here = await stage('', { command: '/nowhere/server' })
  await assert.rejects(startChild(here.spec), /server did not start: spawn \/nowhere\/server ENOENT/)
})

test('a server that ignores the stop signal is killed after its grace period', async () => {
  await using here = await stage("trap '' TERM; touch ready; while :; do sleep 0.05; done")
  const child = await startChild(here.spec)
  const started = performance.now()
  await child[Symbol.asyncDispose]()
  assert.ok(performance.now() - started >= 450)
  assert.equal(child.pid(), null)
})

test('a server that is stopped while it waits for its restart stops at once', async () => {
  await using here = await stage(runs, { restartAfterMs: 60_000 })
  const child = await startChild(here.spec)
  child.kill()
  await until(() => here.events.length === 2)
  await child[Symbol.asyncDispose]()
})

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { connect } from '@nats-io/transport-node'
import { until } from '../../testing/settle.ts'
import { recordingLog } from '../../testing/recording-log.ts'
import { testNats } from '../../testing/servers/nats.ts'
import { natsPaths } from './nats-config.ts'
import { silentLog } from '../core/silent-log.ts'
import { ownerVariable, stopOrphan } from './nats-orphan.ts'
import type { NatsChild } from './nats-server.ts'

before(async () => {
  // Found (or made) once, so that no test below waits for a build.
  await using _ = await testNats(process.env)
})

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
const another = (child: NatsChild, than: number | null) =>
  until('another server', () => child.trouble() === null && child.pid !== than && child.pid)

test('a server accepts clients with the password and refuses all others', async () => {
  await using nats = await testNats(process.env)
  const child = await nats.start()
  assert.equal(child.trouble(), null)
  assert.equal(Number(await readFile(natsPaths(nats.dir).pid, 'utf8')), child.pid)
  const { username, password } = new URL(child.url)
  const nc = await connect({ servers: `127.0.0.1:${nats.port}`, user: username, pass: password })
  await nc.close()
  await assert.rejects(connect({ servers: `127.0.0.1:${nats.port}`, reconnect: false }), /authorization/i)
})

test('files with the password are readable by their owner only, and the password survives a restart', async () => {
  await using nats = await testNats(process.env)
  const first = await nats.start()
  const { url } = first
  for (const path of [natsPaths(nats.dir).config, natsPaths(nats.dir).password]) {
    assert.equal((await stat(path)).mode & 0o777, 0o600)
  }
  await first[Symbol.asyncDispose]()
  assert.equal((await nats.start()).url, url)
})

test('stopping a server ends its process and removes its pid file', async () => {
  await using nats = await testNats(process.env)
  const child = await nats.start()
  const pid = child.pid
  assert.ok(pid !== null && isAlive(pid))
  await child[Symbol.asyncDispose]()
  assert.equal(isAlive(pid), false)
  assert.equal(child.pid, null)
  await assert.rejects(stat(natsPaths(nats.dir).pid))
})

test('a killed server is started again, and each start is reported', async () => {
  await using nats = await testNats(process.env)
  const pids: number[] = []
  const child = await nats.start({ onStarted: (pid) => pids.push(pid) })
  const first = child.pid
  assert.ok(first !== null)
  process.kill(first, 'SIGKILL')
  await until('the death to be noticed', () => child.pid !== first)
  assert.equal(await another(child, first), pids[1])
  assert.deepEqual(pids, [first, child.pid])
})

test('with restartAfterMs 0 a killed server stays down and says so', async () => {
  await using nats = await testNats(process.env)
  const child = await nats.start({ restartAfterMs: 0 })
  assert.ok(child.pid !== null)
  process.kill(child.pid, 'SIGKILL')
  const trouble = await until('trouble', () => child.trouble())
  assert.match(trouble, /killed by SIGKILL/)
  assert.equal(child.pid, null)
})

test('a missing executable is reported as trouble, not thrown, and is used once it exists', async () => {
  await using nats = await testNats(process.env)
  let binary = join(nats.dir, 'nowhere')
  const child = await nats.start({ binary: () => Promise.resolve(binary) })
  assert.match(child.trouble() ?? '', /cannot start nats-server.*ENOENT/)
  binary = nats.binary
  await another(child, null)
})

test('a directory that cannot be written is reported as trouble, not thrown', async () => {
  await using nats = await testNats(process.env)
  await writeFile(join(nats.dir, 'file'), '')
  const child = await nats.start({ dir: join(nats.dir, 'file', 'below') })
  assert.match(child.trouble() ?? '', /cannot start nats-server.*ENOTDIR/)
})

test('a taken port is reported as trouble until it is free, and does not cost the store', async () => {
  await using nats = await testNats(process.env)
  const squatter = createServer().listen(nats.port, '127.0.0.1')
  try {
    await once(squatter, 'listening')
    let tries = 0
    const child = await nats.start({ onStarted: () => (tries += 1) })
    assert.match(child.trouble() ?? '', /address already in use/)
    await mkdir(natsPaths(nats.dir).store, { recursive: true })
    await until('the fourth try', () => tries >= 4)
    squatter.close()
    await another(child, null)
    assert.deepEqual(
      (await readdir(nats.dir)).filter((name) => name.includes('broken')),
      [],
    )
  } finally {
    squatter.close()
  }
})

test('a store that cannot be opened is moved aside after repeated failures, and that is logged', async () => {
  await using nats = await testNats(process.env)
  const { store } = natsPaths(nats.dir)
  await mkdir(store, { recursive: true })
  await writeFile(join(store, 'jetstream'), 'not a directory')
  const log = recordingLog()
  const child = await nats.start({ log })
  await another(child, null)
  assert.ok(log.said.some((line) => line.includes('empty store')))
  const kept = (await readdir(nats.dir)).filter((name) => name.startsWith('store.broken-'))
  assert.equal(kept.length, 1)
})

test('replacing the store starts the server on an empty one', async () => {
  await using nats = await testNats(process.env)
  const child = await nats.start()
  const first = child.pid
  await writeFile(join(natsPaths(nats.dir).store, 'mark'), '')
  await child.replaceStore('a test says so')
  await another(child, first)
  await assert.rejects(stat(join(natsPaths(nats.dir).store, 'mark')))
})

test('a server whose node was killed is stopped before the next one starts', async () => {
  await using nats = await testNats(process.env)
  const options = { binary: nats.binary, dir: nats.dir, clientPort: nats.port, serverName: 'test' }
  const script = `
    import { startNatsServer } from '${new URL('./nats-server.ts', import.meta.url)}'
    import { silentLog } from '${new URL('../core/silent-log.ts', import.meta.url)}'
    const child = await startNatsServer({ ...${JSON.stringify(options)}, log: silentLog })
    console.log(child.pid)`
  const node = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let orphan = 0
  try {
    orphan = Number(await once(node.stdout, 'data'))
    node.kill('SIGKILL')
    await once(node, 'exit')
    assert.ok(isAlive(orphan))
    const child = await nats.start()
    assert.equal(child.trouble(), null)
    assert.notEqual(child.pid, orphan)
  } finally {
    node.kill('SIGKILL')
    if (orphan > 0 && isAlive(orphan)) process.kill(orphan, 'SIGKILL')
  }
})

test('a server of an earlier run that survives is reported, and found again by its pid file', async () => {
  await using nats = await testNats(process.env)
  const first = await nats.start()
  const paths = natsPaths(nats.dir)
  await first[Symbol.asyncDispose]()
  const orphan = spawn(nats.binary, ['-c', paths.config], { stdio: 'ignore' })
  try {
    await writeFile(paths.pid, `${orphan.pid}\n`)
    const endsNothing = () => Promise.resolve()
    await assert.rejects(stopOrphan(paths, silentLog, endsNothing), /does not end/)
    assert.equal(Number(await readFile(paths.pid, 'utf8')), orphan.pid)
    await stopOrphan(paths, silentLog)
    assert.equal(isAlive(orphan.pid ?? 0), false)
    await assert.rejects(stat(paths.pid))
  } finally {
    orphan.kill('SIGKILL')
  }
})

test('an unrelated process with the pid in the pid file is left alone', async () => {
  await using nats = await testNats(process.env)
  const stranger = spawn('sleep', ['60'], { stdio: 'ignore' })
  try {
    await writeFile(natsPaths(nats.dir).pid, `${stranger.pid}\n`)
    const child = await nats.start()
    assert.equal(child.trouble(), null)
    assert.equal(stranger.exitCode ?? stranger.signalCode, null)
  } finally {
    stranger.kill('SIGKILL')
  }
})

test('a server whose node is alive is left alone, and a second node in its directory reports trouble', async () => {
  await using nats = await testNats(process.env)
  const first = await nats.start()
  // Plays the other node: a living parent, which is named as the owner.
  const script = `
    const { spawn } = require('node:child_process')
    spawn(process.argv[1], ['-c', process.argv[2]], { env: { ${ownerVariable}: String(process.pid) }, stdio: 'ignore' })
      .once('spawn', function () { console.log(this.pid) })`
  const { config, pid: pidFile } = natsPaths(nats.dir)
  await first[Symbol.asyncDispose]()
  const owner = spawn(process.execPath, ['-e', script, nats.binary, config], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let theirs = 0
  try {
    const [said] = await once(owner.stdout, 'data')
    theirs = Number(said)
    await writeFile(pidFile, `${theirs}\n`)
    const second = await nats.start()
    assert.match(second.trouble() ?? '', /already runs a nats-server in this directory/)
    assert.ok(isAlive(theirs))
  } finally {
    if (theirs > 0) process.kill(theirs, 'SIGKILL')
    owner.kill('SIGKILL')
  }
})

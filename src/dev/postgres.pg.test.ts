import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { until } from '../../testing/settle.ts'
import { identify, isRunning } from '../process/identity.ts'
import { freePort } from './free-port.ts'
import { endPostgresIn } from './leftovers.ts'
import { startPostgres, type PostgresOptions } from './postgres.ts'

/** A place for one Postgres, with a database that `app` owns. */
async function place() {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'anchorage-pg-')))
  await chmod(dir, 0o711)
  const port = await freePort()
  const options: PostgresOptions = {
    dataDir: join(dir, 'data'),
    port,
    logFile: join(dir, 'log'),
    bootstrapSql: ["create role app login password 'p';", 'create database app owner app;'],
    durable: true,
    env: process.env,
    restartAfterMs: 100,
  }
  const ask = async (sql: string, login = 'app:p') => {
    const client = new Client({ connectionString: `postgres://${login}@127.0.0.1:${port}/app` })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query(sql)).rows[0]
    } finally {
      await client.end()
    }
  }
  const dispose = async () => {
    await endPostgresIn(options.dataDir)
    await rm(dir, { recursive: true })
  }
  return { dir, options, ask, [Symbol.asyncDispose]: dispose }
}

test('data outlives a stop, and logins as the superuser or without a password are refused', async () => {
  await using here = await place()
  {
    await using _ = await startPostgres(here.options)
    await here.ask('create table kept as select 42 as value')
    await assert.rejects(here.ask('select 1', 'postgres:p'), { code: '28P01' })
    await assert.rejects(here.ask('select 1', 'app:wrong'), { code: '28P01' })
  }
  await assert.rejects(here.ask('select 1'), { code: 'ECONNREFUSED' })
  await using _ = await startPostgres(here.options)
  assert.equal((await here.ask('select value from kept')).value, 42)
})

test('a killed Postgres comes back by itself, although its backends lived on for a moment', async () => {
  await using here = await place()
  await using server = await startPostgres(here.options)
  await here.ask('create table kept as select 42 as value')
  const first = server.pid()
  server.kill()
  while (server.pid() === null || server.pid() === first) await sleep(20)
  // it refuses connections until it has recovered
  await until('it answers', async () => (await here.ask('select value from kept')).value === 42)
})

test('a Postgres whose supervisor was killed is found and replaced by the next start', async () => {
  await using here = await place()
  const modulePath = join(import.meta.dirname, 'postgres.ts')
  const program = `
    import { startPostgres } from ${JSON.stringify(modulePath)}
    const server = await startPostgres({ ...${JSON.stringify(here.options)}, env: process.env })
    console.log(server.pid())`
  const supervisor = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = await once(supervisor.stdout, 'data')
  const orphan = await identify(Number(said))
  assert.ok(orphan)
  supervisor.kill('SIGKILL')
  await once(supervisor, 'exit')
  assert.equal(await isRunning(orphan), true)
  await using server = await startPostgres(here.options)
  assert.equal(await isRunning(orphan), false)
  assert.notEqual(server.pid(), orphan.pid)
  assert.equal((await here.ask('select 1 as one')).one, 1)
})

test('a pid file that names another process, a zombie, or no process does not prevent a start', async () => {
  await using here = await place()
  {
    await using _ = await startPostgres(here.options)
  }
  const file = join(here.options.dataDir, 'postmaster.pid')
  // A shell that does not wait for its child leaves a zombie.
  const shell = spawn('/bin/sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [zombie] = await once(shell.stdout, 'data')
  for (const pid of [process.pid, Number(zombie)]) {
    await writeFile(file, `${pid}\n${here.options.dataDir}\n`)
    await using server = await startPostgres(here.options)
    assert.notEqual(server.pid(), pid)
  }
  shell.kill('SIGKILL')
  await writeFile(file, '')
  await (await startPostgres(here.options))[Symbol.asyncDispose]()
})

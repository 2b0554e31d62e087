import { spawn, type ChildProcess } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, readFile, readdir, realpath } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { postgresUser } from '../../src/dev/postgres-user.ts'
import { userCan } from '../../src/process/run-as.ts'
import { template, type TestServer } from './postgres-keeper.ts'

/** A migrated database for one test file; disposing drops it. */
export interface TestDatabase extends AsyncDisposable {
  ownerUrl: string
  tenantUrl: string
  systemUrl: string
}

/**
 * A fresh database, cloned from a migrated template on the one Postgres that all test processes share. The first caller starts that server
 * (`postgres-keeper.ts`). It stops a few seconds after the last process that used it has ended, however that ended.
 */
export async function testDatabase(): Promise<TestDatabase> {
  return cloneOf(await sharedServer(), template)
}

/** A copy of the database as it is now. No client may be connected to it. */
export async function copyOf({ ownerUrl }: TestDatabase): Promise<TestDatabase> {
  return cloneOf(await sharedServer(), new URL(ownerUrl).pathname.slice(1))
}

async function cloneOf(server: TestServer, original: string): Promise<TestDatabase> {
  const name = `test_${process.pid}_${randomBytes(6).toString('hex')}`
  await asMaker(server, `create database ${name} template ${original} owner anchorage_owner`)
  const url = (role: string, password: string) =>
    `postgres://${role}:${password}@127.0.0.1:${server.port}/${name}`
  return {
    ownerUrl: url('anchorage_owner', server.ownerPassword),
    tenantUrl: url('anchorage_tenant', server.tenantPassword),
    systemUrl: url('anchorage_system', server.systemPassword),
    [Symbol.asyncDispose]: () => asMaker(server, `drop database if exists ${name} with (force)`),
  }
}

async function asMaker(server: TestServer, sql: string): Promise<void> {
  const client = new Client({
    host: '127.0.0.1',
    port: server.port,
    user: 'test_maker',
    password: server.makerPassword,
    database: 'postgres',
  })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

/**
 * Connects to the keeper, and starts one if none answers. The server runs while a connection is open, and this one closes when this process
 * ends.
 */
async function sharedServer(): Promise<TestServer> {
  const dir = await keeperDir()
  const socketPath = join(dir, 'keeper.sock')
  const deadline = performance.now() + 120_000
  let keeper: ChildProcess | null = null
  for (; ; await sleep(100)) {
    const socket = await connected(socketPath)
    const server = socket && (await greeting(socket))
    if (server) return server
    if (performance.now() > deadline)
      throw new Error(`the tests' Postgres did not start; see ${join(dir, 'keeper.log')}`)
    // A keeper exits at once while another one holds the lock, and that one may be about to exit.
    if (keeper === null || keeper.exitCode !== null) {
      const entry = fileURLToPath(new URL('./postgres-keeper.ts', import.meta.url))
      keeper = spawn(process.execPath, [entry, dir], { detached: true, stdio: 'ignore', cwd: '/' })
      keeper.unref()
    }
  }
}

async function connected(socketPath: string): Promise<Socket | null> {
  const socket = connect(socketPath)
  try {
    await once(socket, 'connect')
    return socket
  } catch {
    return null
  }
}

/**
 * Reads the keeper's only line, which it sends once the template exists. Null when the keeper went away; throws the keeper's reason when it
 * failed.
 */
async function greeting(socket: Socket): Promise<TestServer | null> {
  for await (const line of createInterface(socket)) {
    const said: TestServer | { error: string } = JSON.parse(line)
    if ('error' in said) throw new Error(`the tests' Postgres did not start: ${said.error}`)
    socket.on('error', () => undefined).unref()
    return said
  }
  return null
}

/** The keeper's folder: one for each user and each state of the schema's files, in a place that the user that Postgres runs as can enter. */
async function keeperDir(): Promise<string> {
  const root = new URL('../../', import.meta.url)
  const hash = createHash('sha256').update(root.pathname)
  for (const folder of ['migrations/', 'src/store/functions/'])
    for (const file of (await readdir(new URL(folder, root))).sort())
      hash.update(file).update(await readFile(new URL(folder + file, root)))
  const user = postgresUser()
  const temp = [tmpdir(), '/var/tmp', '/tmp'].find((path) => userCan(user, '-x', path)) ?? tmpdir()
  const dir = join(
    await realpath(temp),
    `anchorage-test-${process.getuid?.() ?? 0}-${hash.digest('hex').slice(0, 12)}`,
  )
  await mkdir(dir, { recursive: true })
  await chmod(dir, user ? 0o711 : 0o700)
  return dir
}

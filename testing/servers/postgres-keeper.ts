import { randomBytes } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { chmod, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { environment } from '../../src/config/environment.ts'
import { tryLock } from '../../src/process/lock.ts'
import { migrateUp } from '../../src/store/migrate.ts'
import { freePort } from '../../src/dev/free-port.ts'
import { endPostgresIn } from '../../src/dev/leftovers.ts'
import { startPostgres } from '../../src/dev/postgres.ts'

/** How test processes reach the server that they share. */
export interface TestServer {
  port: number
  makerPassword: string
  ownerPassword: string
  tenantPassword: string
  systemPassword: string
}

/** The migrated database that tests clone. */
export const template = 'anchorage_template'

/** Long enough to bridge from one test file to the next. */
const idleMs = 5_000

/**
 * Runs the tests' Postgres in `dir` until no process has been connected for a while. Its users are connections, which the kernel closes
 * however a process ends. The remains of a killed keeper are found by the next one, because they are in the same place.
 */
async function keep(dir: string): Promise<void> {
  const held = await tryLock(join(dir, 'keeper.lock'))
  if ('heldBy' in held) return
  await using _ = held
  const log = (line: string) =>
    appendFileSync(join(dir, 'keeper.log'), `${new Date().toISOString()} ${line}\n`)
  const dataDir = join(dir, 'data')
  const socketPath = join(dir, 'keeper.sock')
  await endPostgresIn(dataDir)
  for (const old of [dataDir, socketPath, join(dir, 'keeper.log')])
    await rm(old, { recursive: true, force: true })

  const users = new Set<Socket>()
  const idle = Promise.withResolvers<void>()
  let timer = setTimeout(idle.resolve, idleMs * 10)
  const started = startServer(dir, dataDir, log)
  const listener = createServer((socket) => {
    clearTimeout(timer)
    users.add(socket)
    socket
      .on('error', () => undefined)
      .once('close', () => {
        users.delete(socket)
        if (users.size === 0) timer = setTimeout(idle.resolve, idleMs)
      })
    const send = (said: object) => void socket.write(`${JSON.stringify(said)}\n`)
    void started.then(
      ({ server }) => send(server),
      (error: unknown) => send({ error: String(error) }),
    )
    socket.resume()
  })
  listener.listen(socketPath)
  await chmod(socketPath, 0o600)
  try {
    const { postgres } = await started
    await using _postgres = postgres
    await Promise.race([idle.promise, postgres.gone.then(log)])
    listener.close()
  } catch (error) {
    log(String(error))
    // Processes that wait for the server ask again within this time, and then get the reason.
    await sleep(1_000)
    listener.close()
  }
  for (const socket of users) socket.end()
  await rm(dir, { recursive: true, force: true })
}

async function startServer(dir: string, dataDir: string, log: (line: string) => void) {
  const secret = () => randomBytes(16).toString('hex')
  const server: TestServer = {
    port: await freePort(),
    makerPassword: secret(),
    ownerPassword: secret(),
    tenantPassword: secret(),
    systemPassword: secret(),
  }
  const postgres = await startPostgres({
    dataDir,
    port: server.port,
    logFile: join(dir, 'postgres.log'),
    bootstrapSql: [
      `create role anchorage_owner login createrole nosuperuser nobypassrls password '${server.ownerPassword}';`,
      `create role test_maker login createdb nosuperuser nobypassrls password '${server.makerPassword}' in role anchorage_owner, pg_signal_backend;`,
      `create database ${template} owner anchorage_owner;`,
    ],
    durable: false,
    env: environment(),
    restartAfterMs: null,
  })
  try {
    const ownerUrl = `postgres://anchorage_owner:${server.ownerPassword}@127.0.0.1:${server.port}/${template}`
    await migrateUp(
      ownerUrl,
      { tenant: server.tenantPassword, system: server.systemPassword },
      { info: (_fields, message) => log(message) },
    )
    return { server, postgres }
  } catch (error) {
    await postgres[Symbol.asyncDispose]()
    throw error
  }
}

if (import.meta.main && process.argv[2] !== undefined) await keep(process.argv[2])

import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../src/dev/free-port.ts'
import { startPostgres } from '../../src/dev/postgres.ts'

/** A Postgres for one test file, with an empty database. */
export interface OwnPostgres extends AsyncDisposable {
  /** The host, the port and the database, to put behind a login. */
  at: string
  ownerUrl: string
  /** A superuser. */
  adminUrl: string
}

/** For tests that change roles: all databases of a server share them. */
export async function ownPostgres(): Promise<OwnPostgres> {
  await using undo = new AsyncDisposableStack()
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'anchorage-own-')))
  undo.defer(() => rm(dir, { recursive: true }))
  await chmod(dir, 0o711)
  const port = await freePort()
  undo.use(
    await startPostgres({
      dataDir: join(dir, 'data'),
      port,
      logFile: join(dir, 'log'),
      bootstrapSql: [
        "create role owner login createrole nosuperuser password 'o';",
        "create role admin login superuser password 'a';",
        'create database app owner owner;',
      ],
      durable: false,
      env: process.env,
      restartAfterMs: null,
    }),
  )
  const at = `127.0.0.1:${port}/app`
  const all = undo.move()
  return {
    at,
    ownerUrl: `postgres://owner:o@${at}`,
    adminUrl: `postgres://admin:a@${at}`,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

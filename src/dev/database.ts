import { refusePlaintext } from '../store/plaintext.ts'
import type { Child } from '../process/child.ts'
import type { DataDir } from './data-dir.ts'
import { postgresPlace } from './postgres-place.ts'
import { startPostgres } from './postgres.ts'
import { postgresUser } from './postgres-user.ts'
import type { ServerReports } from './server-reports.ts'

/** The logins of the database that dev's nodes use, and the server when it is the embedded one. */
export interface DevDatabase {
  ownerUrl: string
  tenantUrl: string
  systemUrl: string
  /** Identifies the database, without a password. */
  name: string
  server: Child | null
}

export interface DatabaseOptions {
  dir: DataDir
  /** The owner's URL of a Postgres to use instead of the embedded one. */
  given: string | undefined
  env: NodeJS.ProcessEnv
  restartAfterMs: number | null
  serverReports: ServerReports
  say: (line: string) => void
}

/** The given database, or an embedded one in DIR. */
export async function devDatabase(options: DatabaseOptions): Promise<DevDatabase> {
  const { dir, given, env } = options
  const { passwords } = dir.state
  const roles = (url: string) => ({
    ownerUrl: url,
    tenantUrl: withLogin(url, 'anchorage_tenant', passwords.tenant),
    systemUrl: withLogin(url, 'anchorage_system', passwords.system),
  })
  if (given !== undefined && !isOwn(given, dir)) {
    if (env['ANCHORAGE_DATABASE_ALLOW_PLAINTEXT'] !== 'true') refusePlaintext('DATABASE_URL', given)
    const { host, pathname } = new URL(given)
    options.say(`using the Postgres of DATABASE_URL at ${host}`)
    return { ...roles(given), name: host + pathname, server: null }
  }
  options.say('starting Postgres')
  const dataDir = await postgresPlace(dir.path, postgresUser())
  const port = await dir.port('postgres')
  const server = await startPostgres({
    dataDir,
    port,
    logFile: dir.logFile('postgres'),
    bootstrapSql: [
      `create role anchorage_owner login createrole nosuperuser nobypassrls password '${passwords.owner}';`,
      'create database anchorage owner anchorage_owner;',
    ],
    durable: true,
    env: options.env,
    restartAfterMs: options.restartAfterMs,
    onChange: options.serverReports('Postgres'),
  })
  return {
    ...roles(`postgres://anchorage_owner:${passwords.owner}@127.0.0.1:${port}/anchorage`),
    name: 'embedded',
    server,
  }
}

/** In a shell that sourced `dev.env`, DATABASE_URL names the embedded Postgres itself, which this process has to start. */
function isOwn(url: string, dir: DataDir): boolean {
  return decodeURIComponent(new URL(url).password) === dir.state.passwords.owner
}

function withLogin(url: string, role: string, password: string): string {
  const login = new URL(url)
  login.username = role
  login.password = password
  return login.href
}

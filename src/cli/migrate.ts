import { createLog } from '../app/log.ts'
import { requireKeys, type Config } from '../app/config.ts'
import { ownerUrl, storeUrls } from '../app/database-urls.ts'
import { migrateStatus, migrateUp } from '../store/migrate.ts'
import type { MigrationStatus } from '../store/migrations.ts'
import { proveSchema } from '../store/prove-schema.ts'
import { noMore } from './arguments.ts'
import { configArgumentsOf } from './config-arguments.ts'
import { json, printable, table } from './print.ts'
import { WrongUse, type Io } from './verb.ts'

export const usage = `
Usage: anchorage migrate up|status [--json] [--config FILE] [--OPTION VALUE …]

up      brings the database to this version, and makes the roles anchorage_tenant and anchorage_system with the
        passwords of database.url and database.systemUrl. Needs those two and database.ownerUrl.
        Then it holds roles, tables, grants, policies and functions against what the migrations make, and mends them.
        Safe to run from several machines at once, and again.
status  shows what is applied, pending, drifted (changed after it was applied) or unknown (applied by a newer version),
        and, once nothing is pending, what else is wrong. Needs database.ownerUrl.

What is wrong is a line each on standard error. Both exit with 1 when something is pending, drifted or wrong.
`

/** `migrate up` and `migrate status`. */
export async function run(argv: string[], io: Io): Promise<number> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  const [action, ...more] = positionals
  noMore(more)
  const asJson = values.json ?? false
  if (action === 'up') return await up(config, asJson, io)
  if (action === 'status') return await status(config, asJson, io)
  throw new WrongUse(`expected up or status after migrate${action === undefined ? '' : `, not ${action}`}`)
}

async function up(given: Config, asJson: boolean, io: Io): Promise<number> {
  const { log } = requireKeys(given, ['database.ownerUrl', 'database.url', 'database.systemUrl'])
  const { tenantUrl, systemUrl } = storeUrls(given)
  const passwords = { tenant: passwordOf(tenantUrl), system: passwordOf(systemUrl) }
  const logger = createLog({ level: log.level, pretty: io.terminal !== null })
  const migrations = await migrateUp(ownerUrl(given), passwords, logger)
  return show(migrations, await proveSchema(ownerUrl(given)), asJson, io)
}

async function status(given: Config, asJson: boolean, io: Io): Promise<number> {
  const migrations = await migrateStatus(ownerUrl(given))
  return show(migrations, await proveSchema(ownerUrl(given)), asJson, io)
}

function show(migrations: MigrationStatus[], wrong: string[], asJson: boolean, io: Io): number {
  const rows = migrations.map(({ version, name, state }) => [String(version), name, state])
  io.out(asJson ? json(migrations) : table(['VERSION', 'NAME', 'STATE'], rows))
  for (const line of wrong) io.err(`wrong: ${printable(line)}\n`)
  const isUpToDate = migrations.every(({ state }) => state === 'applied' || state === 'unknown')
  return isUpToDate && wrong.length === 0 ? 0 : 1
}

function passwordOf(url: string): string {
  return decodeURIComponent(new URL(url).password)
}

import { createLog } from '../app/log.ts'
import { requireKeys, type Config } from '../app/config.ts'
import { ownerUrl, storeUrls } from '../app/database-urls.ts'
import { migrateStatus, migrateUp, type MigrationStatus } from '../store/migrate.ts'
import { configArgumentsOf, noMore } from './arguments.ts'
import { json, table } from './print.ts'
import { WrongUse, type Io } from './verb.ts'

export const usage = `
Usage: anchorage migrate up|status [--json] [--config FILE] [--OPTION VALUE …]

up      brings the database to this version, and makes the roles anchorage_tenant and anchorage_system with the
        passwords of database.url and database.systemUrl. Needs those two and database.ownerUrl.
        Safe to run from several machines at once, and again.
status  shows what is applied, pending, drifted (changed after it was applied) or unknown (applied by a newer version).
        Needs database.ownerUrl.

Both exit with 1 when something is pending or drifted.
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
  return show(await migrateUp(ownerUrl(given), passwords, logger), asJson, io)
}

async function status(given: Config, asJson: boolean, io: Io): Promise<number> {
  return show(await migrateStatus(ownerUrl(given)), asJson, io)
}

function show(migrations: MigrationStatus[], asJson: boolean, io: Io): number {
  const rows = migrations.map(({ version, name, state }) => [String(version), name, state])
  io.out(asJson ? json(migrations) : table(['VERSION', 'NAME', 'STATE'], rows))
  return migrations.every(({ state }) => state === 'applied' || state === 'unknown') ? 0 : 1
}

function passwordOf(url: string): string {
  return decodeURIComponent(new URL(url).password)
}

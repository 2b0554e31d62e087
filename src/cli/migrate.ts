import { createLog } from '../app/log.ts'
import { requireKeys, type Config } from '../config/config.ts'
import { ownerUrl, storeUrls } from '../config/database-urls.ts'
import { migrateStatus, migrateUp } from '../store/migrate.ts'
import type { MigrationStatus } from '../store/migrations.ts'
import { proveSchema } from '../store/prove-schema.ts'
import { oneOfWords } from './arguments.ts'
import { configuredVerb } from './config-arguments.ts'
import { tableOf } from './display.ts'
import { page, prose } from './help.ts'
import { stateIn } from './paint.ts'
import { json, printable } from './print.ts'
import { tellFailure } from './report.ts'
import type { Column } from './table.ts'
import type { Io } from './verb.ts'

const actions = ['up', 'status'] as const

const columns: readonly Column[] = [
  { head: 'VERSION', rank: 1 },
  { head: 'NAME', rank: 1, least: 20 },
  {
    head: 'STATE',
    rank: 1,
    colour: stateIn,
    means: 'applied, pending, drifted (changed after it was applied) or unknown (applied by a newer version)',
  },
]

/** `migrate up` and `migrate status`. */
export const command = configuredVerb(
  (bare) =>
    bare
      .description(
        prose(`Brings the database to this version, or shows how far it is. What is wrong is a line each on standard error. Exit code 1 when
something is pending, drifted or wrong.`),
      )
      .addArgument(
        bare
          .createArgument('<ACTION>', 'what to do')
          .choices(actions)
          .argParser(oneOfWords(actions, 'migrate')),
      )
      .addHelpText(
        'after',
        page({
          terms: {
            Actions: [
              [
                'up',
                'bring the database to this version, and make the roles anchorage_tenant and anchorage_system with the passwords of database.url and database.systemUrl. Needs those two and database.ownerUrl. Then roles, tables, grants, policies and functions are held against what the migrations make, and mended. Safe to run from several machines at once, and again',
              ],
              [
                'status',
                'show each migration and, once nothing is pending, what else is wrong. Needs database.ownerUrl',
              ],
            ],
          },
          columns,
          json: '[{"version","name","state"}].',
          examples: ['migrate up', 'migrate status'],
        }),
      ),
  async ([action], _options, io, config) =>
    action === 'up' ? await up(config, io) : await status(config, io),
)

async function up(given: Config, io: Io): Promise<number> {
  const { log } = requireKeys(given, ['database.ownerUrl', 'database.url', 'database.systemUrl'])
  const { tenantUrl, systemUrl } = storeUrls(given)
  const passwords = { tenant: passwordOf(tenantUrl), system: passwordOf(systemUrl) }
  const logger = createLog({ level: log.level, pretty: io.terminal !== null })
  const migrations = await migrateUp(ownerUrl(given), passwords, logger)
  return await show(migrations, await proveSchema(ownerUrl(given)), io)
}

async function status(given: Config, io: Io): Promise<number> {
  const migrations = await migrateStatus(ownerUrl(given))
  return await show(migrations, await proveSchema(ownerUrl(given)), io)
}

async function show(migrations: MigrationStatus[], wrong: string[], io: Io): Promise<number> {
  const rows = migrations.map(({ version, name, state }) => [String(version), name, state])
  io.out(io.json ? json(migrations) : tableOf(columns, rows, io).text)
  for (const line of wrong) await tellFailure(io, 'conflict', `wrong: ${printable(line)}`)
  const isUpToDate = migrations.every(({ state }) => state === 'applied' || state === 'unknown')
  return isUpToDate && wrong.length === 0 ? 0 : 1
}

function passwordOf(url: string): string {
  return decodeURIComponent(new URL(url).password)
}

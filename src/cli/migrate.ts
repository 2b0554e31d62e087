import { createLog } from '../app/log.ts'
import { requireKeys, type Config } from '../config/config.ts'
import { ownerUrl, storeUrls } from '../config/database-urls.ts'
import { migrateStatus, migrateUp } from '../store/migrate.ts'
import type { SchemaStatus } from '../store/migrations.ts'
import { proveSchema } from '../store/prove-schema.ts'
import { wordArgument } from './arguments.ts'
import { configuredVerb } from './config-arguments.ts'
import { tableOf } from './display.ts'
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
    means:
      'applied, pending, drifted (changed after it was applied), unknown (applied by a newer version) or obsolete (a function that this version no longer has)',
  },
]

/** `migrate up` and `migrate status`. */
export const command = configuredVerb(
  {
    about: `Brings the database to this version, or shows its state. Each problem is one line on standard error. The exit code is 1
if a migration is pending or has drifted, or if there is another problem.`,
    terms: {
      Actions: [
        [
          'up',
          'bring the database to this version, and create the roles anchorage_tenant and anchorage_system with the passwords of database.url and database.systemUrl. Needs these two and database.ownerUrl. Then functions whose text changed are replaced in one transaction, and roles, tables, grants, policies and functions that were changed by hand are repaired. Safe to run again, and on several machines at once',
        ],
        [
          'status',
          'show each migration, the functions of the database and, if nothing is pending, all other problems. Needs database.ownerUrl',
        ],
      ],
    },
    columns,
    json: '[{"version","name","state"}], where the version of a function is null.',
    examples: ['migrate up', 'migrate status'],
  },
  (bare) => bare.addArgument(wordArgument('<ACTION>', 'the action', actions, 'migrate')),
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

async function show(migrations: SchemaStatus[], wrong: string[], io: Io): Promise<number> {
  io.out(io.json ? json(migrations) : tableOf(columns, rowsOf(migrations), io).text)
  for (const line of wrong) await tellFailure(io, 'conflict', `wrong: ${printable(line)}`)
  const isUpToDate = migrations.every(({ state }) => state === 'applied' || state === 'unknown')
  return isUpToDate && wrong.length === 0 ? 0 : 1
}

/** A line for each migration, one for all functions that are as they must be, and one for each other function. */
function rowsOf(all: SchemaStatus[]): string[][] {
  const functions = all.filter(({ version }) => version === null)
  const applied = functions.filter(({ state }) => state === 'applied')
  return [
    ...all
      .filter(({ version }) => version !== null)
      .map(({ version, name, state }) => [String(version), name, state]),
    ...(applied.length > 0 ? [['', `${applied.length} functions`, 'applied']] : []),
    ...functions
      .filter(({ state }) => state !== 'applied')
      .map(({ name, state }) => ['', `function ${name}`, state]),
  ]
}

function passwordOf(url: string): string {
  return decodeURIComponent(new URL(url).password)
}

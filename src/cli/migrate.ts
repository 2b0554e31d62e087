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
    about: `Brings the database to this version, or shows how far it is. What is wrong is a line each on standard error. Exit code 1 when
something is pending, drifted or wrong.`,
    terms: {
      Actions: [
        [
          'up',
          'bring the database to this version, and make the roles anchorage_tenant and anchorage_system with the passwords of database.url and database.systemUrl. Needs those two and database.ownerUrl. Then the functions whose text changed are replaced in one transaction, and roles, tables, grants, policies and functions that were changed by hand are mended. Safe to run from several machines at once, and again',
        ],
        [
          'status',
          'show each migration, the functions of the database and, once nothing is pending, what else is wrong. Needs database.ownerUrl',
        ],
      ],
    },
    columns,
    json: '[{"version","name","state"}], where the version of a function is null.',
    examples: ['migrate up', 'migrate status'],
  },
  (bare) => bare.addArgument(wordArgument('<ACTION>', 'what to do', actions, 'migrate')),
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

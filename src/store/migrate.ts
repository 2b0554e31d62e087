import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { AnchorageError } from '../core/errors.ts'
import type { Log } from '../core/ports.ts'
import { adopt } from './adopt.ts'
import { applyFunctions, makeFunctionsTable, readFunctions } from './functions.ts'
import { compare, locked, makeMigrationsTable, readMigrations, recordMigration } from './migrations.ts'
import { withCreateGranted, withOwner, type Migration, type SchemaStatus } from './migrations.ts'
import { mendSchema } from './prove-schema.ts'
import { changedMeanwhile, ensureRoles } from './roles.ts'
import { schemaStatus } from './schema-status.ts'

/** The schema level that this code was written for: its newest migration. */
export const codeLevel = 136

/**
 * Makes the roles with their settings, applies pending migrations, each file in a transaction, then applies in one transaction the
 * functions whose files changed, and mends what was changed by hand. An advisory lock lets any number of runs start at once. `ownerUrl`
 * must own the database and needs CREATEROLE; `passwords` are those that the nodes will log in with.
 */
export async function migrateUp(
  ownerUrl: string,
  passwords: { tenant: string; system: string },
  log: Pick<Log, 'info'>,
): Promise<SchemaStatus[]> {
  return withOwner(ownerUrl, async (client) => {
    await untilUndisturbed(() => locked(client, () => ensureRoles(client, passwords)))
    await locked(client, async () => {
      await makeMigrationsTable(client)
      await makeFunctionsTable(client)
    })
    const files = await readMigrations()
    const functions = await readFunctions()
    if (await adopt(client, files)) log.info({}, 'took over the schema of the previous version')
    const before = await compare(client, files)
    const drifted = before.find((m) => m.state === 'drifted')
    if (drifted)
      throw new AnchorageError(
        'conflict',
        `migration ${drifted.name} was changed after it was applied; restore the file`,
      )
    for (const file of files)
      if (await locked(client, () => apply(client, file)))
        log.info({ migration: file.name }, 'applied a migration')
    const changed = await locked(client, () => applyFunctions(client, functions))
    if (changed.length > 0) log.info({ functions: changed }, 'applied functions')
    if (before.some((m) => m.state === 'applied')) await mend(client, log)
    await locked(client, async () => {
      await client.query('revoke create on schema public from anchorage_system')
      await client.query('set local role anchorage_system; select audit_extend()')
    })
    return schemaStatus(client)
  })
}

/** How often to try to change the roles while runs on other databases change them too. */
const triesForRoles = 20

async function untilUndisturbed(work: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++)
    try {
      return await work()
    } catch (error) {
      if (tries === triesForRoles || !changedMeanwhile(error)) throw error
      await sleep(Math.random() * 50 * tries)
    }
}

async function mend(client: pg.Client, log: Pick<Log, 'info'>): Promise<void> {
  const mended = await mendSchema(client)
  if (mended.length > 0) log.info({ mended }, 'corrected what differed from the migrations')
}

/** The state of each migration, in order, and then of each function; `unknown` ones were applied by newer code. */
export async function migrateStatus(url: string): Promise<SchemaStatus[]> {
  return withOwner(url, schemaStatus)
}

/** False when there was nothing to apply: another run may have come first. */
async function apply(client: pg.Client, file: Migration): Promise<boolean> {
  const { rows } = await client.query('select from schema_migrations where version = $1', [file.version])
  if (rows.length > 0) return false
  try {
    await withCreateGranted(client, async () => void (await client.query(file.sql)))
    await recordMigration(client, file)
    return true
  } catch (cause) {
    throw new AnchorageError('internal', `migration ${file.name} failed: ${String(cause)}`, { cause })
  }
}

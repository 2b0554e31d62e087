import type pg from 'pg'
import { createFunctions, makeFunctionsTable, readFunctions, type SqlFunction } from './functions.ts'
import {
  locked,
  makeMigrationsTable,
  readMigrations,
  withCreateGranted,
  type Migration,
} from './migrations.ts'
import { queryOf } from './one-client.ts'
import { ensureRoles, rolesAreThere } from './roles.ts'
import { schemaFacts, type Fact } from './schema-facts.ts'

/** The facts of the schema that the migrations and functions of this version make. */
export async function modelFacts(client: pg.Client): Promise<Fact[]> {
  return factsOf(client, await readMigrations(), await readFunctions())
}

/**
 * The facts of the schema that `migrations` and `functions` make. It makes that schema once more, in a transaction that is rolled back.
 * Meanwhile the real schema public has another name, which no other session sees.
 */
export async function factsOf(
  client: pg.Client,
  migrations: Migration[],
  functions: SqlFunction[],
): Promise<Fact[]> {
  const query = queryOf(client)
  const rolledBack = new Error('rolled back')
  let facts: Fact[] = []
  const work = async (): Promise<never> => {
    if (!(await rolesAreThere(query))) await ensureRoles(client, { tenant: null, system: null })
    await client.query('alter schema public rename to anchorage_kept')
    await client.query('create schema public; grant usage on schema public to public')
    await makeMigrationsTable(client)
    await makeFunctionsTable(client)
    await withCreateGranted(client, async () => {
      for (const { sql } of migrations) await client.query(sql)
    })
    await createFunctions(client, functions)
    facts = await schemaFacts(query)
    throw rolledBack
  }
  await locked(client, work).catch((error: unknown) => {
    if (error !== rolledBack) throw error
  })
  return facts
}

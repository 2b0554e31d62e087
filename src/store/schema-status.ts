import type pg from 'pg'
import { compareFunctions, readFunctions } from './functions.ts'
import { compare, readMigrations, type SchemaStatus } from './migrations.ts'
import { queryOf } from './one-client.ts'

/** The state of each migration, in order, and then of each function. */
export async function schemaStatus(client: pg.Client): Promise<SchemaStatus[]> {
  return [
    ...(await compare(client, await readMigrations())),
    ...(await compareFunctions(queryOf(client), await readFunctions())),
  ]
}

import type pg from 'pg'
import { AnchorageError } from '../core/errors.ts'
import { locked, recordMigration, type Migration } from './migrations.ts'
import { factsOf } from './model-facts.ts'
import { queryOf } from './one-client.ts'
import { differences } from './prove-schema.ts'
import { schemaFacts } from './schema-facts.ts'

/** The newest migration of the version before. Its files had the numbers 1 to 22. */
const lastBefore = 22
/** Today's files up to this one make the same tables as those. `migrate up` then applies the later ones as usual. */
const lastSame = 128
/** The functions of the version before that no file has now. They are recorded as its own, so that `migrate up` drops them. */
const functionsGone = ['due_pins', 'requeue_crashed']

/**
 * Takes over a database of the version before: records the files up to `lastSame` as applied, if its tables are as these make them. The old
 * records stay, because nodes of that version look for theirs when they start. False when there is nothing to take over. Rejects with
 * `conflict`, with what to do, for a database that is at another migration, or whose tables differ.
 */
export async function adopt(client: pg.Client, files: Migration[]): Promise<boolean> {
  if (!(await isOfTheVersionBefore(client, files))) return false
  const query = queryOf(client)
  const same = files.filter(({ version }) => version <= lastSame)
  const found = differences(await factsOf(client, same, []), await schemaFacts(query))
  const wrong = found.filter(({ rank }) => rank === 0).map(({ says }) => says)
  if (wrong.length > 0)
    throw new AnchorageError(
      'conflict',
      `the tables differ from those that migration ${lastBefore} made, so this version cannot take them ` +
        `over; correct this first: ${wrong.join('; ')}`,
    )
  return locked(client, async () => {
    if (!(await isOfTheVersionBefore(client, files))) return false
    for (const file of same) await recordMigration(client, file)
    for (const name of functionsGone)
      await client.query(`insert into schema_functions (name, checksum, version) values ($1, '', '0.0.0')`, [
        name,
      ])
    return true
  })
}

async function isOfTheVersionBefore(client: pg.Client, files: Migration[]): Promise<boolean> {
  const { rows } = await client.query<{ version: number }>(
    'select version from schema_migrations order by version desc',
  )
  const newest = rows[0]?.version
  if (newest === undefined || newest >= (files[0]?.version ?? 0)) return false
  if (newest === lastBefore && rows.length === lastBefore) return true
  throw new AnchorageError(
    'conflict',
    `the database is at migration ${newest}, but this version can take over only migration ${lastBefore}: ` +
      'run migrate up of the version before this one, and then migrate up of this version',
  )
}

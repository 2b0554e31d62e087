import type pg from 'pg'
import { locked, withCreateGranted, withOwner } from './migrations.ts'
import { modelFacts } from './model-facts.ts'
import { queryOf } from './one-client.ts'
import type { Query } from './query.ts'
import { roleFaults } from './roles.ts'
import { schemaFacts, type Fact } from './schema-facts.ts'
import { schemaStatus } from './schema-status.ts'

/**
 * Compares roles, tables, grants, policies and functions with what the migrations make, and returns what differs, a line each. Of a
 * database that lacks migrations, or has some of newer code, it compares only the roles. Changes nothing.
 */
export async function proveSchema(ownerUrl: string): Promise<string[]> {
  return withOwner(ownerUrl, async (client) => {
    const query = queryOf(client)
    const wrong = await roleFaults(query)
    const hindrance = await whyNoModel(query)
    if (hindrance !== null) return [...wrong, hindrance]
    if (!(await isUpToDate(client))) return wrong
    return [...wrong, ...saying(differences(await modelFacts(client), await schemaFacts(query)))]
  })
}

/** Mends, in one transaction, what can be mended while nodes work; returns what it mended. A second run finds nothing to do. */
export async function mendSchema(client: pg.Client): Promise<string[]> {
  const query = queryOf(client)
  if ((await whyNoModel(query)) !== null || !(await isUpToDate(client))) return []
  const must = await modelFacts(client)
  return locked(client, async () => {
    const before = saying(differences(must, await schemaFacts(query)))
    if (before.length === 0) return []
    await withCreateGranted(client, () => mendAll(client, query, must))
    const left = new Set(saying(differences(must, await schemaFacts(query))))
    return before.filter((line) => !left.has(line))
  })
}

/** Whether exactly the migrations and functions of this version are applied. */
async function isUpToDate(client: pg.Client): Promise<boolean> {
  return (await schemaStatus(client)).every(({ state }) => state === 'applied')
}

/** Why the owner cannot compare the rest, with what to do; null when it can. */
async function whyNoModel(query: Query): Promise<string | null> {
  const [schema] = await query<{ ours: boolean; owner: string; me: string }>(
    `select pg_has_role(nspowner, 'usage') and has_database_privilege(current_database(), 'create') as ours,
       nspowner::regrole::text as owner, current_user::regrole::text as me from pg_namespace where nspname = 'public'`,
  )
  if (schema === undefined) return 'missing: the schema public'
  const { ours, owner, me } = schema
  if (ours) return null
  return (
    `not checked: tables and grants, since the schema public belongs to ${owner}; as ${owner}: alter ` +
    `schema public owner to ${me}`
  )
}

export interface Difference extends Fact {
  says: string
  statement: string | null
}

/** What is too much comes first, then what is missing. Ignores objects that the migrations do not know. */
export function differences(must: Fact[], is: Fact[]): Difference[] {
  const things = new Set(must.map(({ of }) => of))
  const [wanted, there] = [must, is].map((facts) => new Set(facts.map(({ fact }) => fact)))
  const more = is.filter(
    ({ of, fact, undo }) => undo !== null && !wanted?.has(fact) && (things.has(of) || isMonth(of)),
  )
  const less = must.filter(({ fact }) => !there?.has(fact))
  return [
    ...more.map((fact) => ({ ...fact, says: `too much: ${inWords(fact)}`, statement: fact.undo })),
    ...less.map((fact) => ({ ...fact, says: `missing: ${inWords(fact)}`, statement: fact.mend })),
  ]
}

function saying(found: Difference[]): string[] {
  return found.map(({ says }) => says)
}

function inWords({ fact, of, rank }: Fact): string {
  return rank === 1 ? `${of} as in its file` : fact.replace(/\s+/g, ' ')
}

function isMonth(of: string): boolean {
  return of.startsWith('table audit_log_')
}

/** A change of owner changes the grants, so the schema is compared again after each round. */
const rounds = 3

async function mendAll(client: pg.Client, query: Query, must: Fact[]): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const is = await schemaFacts(query)
    for (const { of, statement } of differences(must, is)) {
      if (statement === null) continue
      const owner = ownerOf(of, is)
      await client.query('savepoint one')
      try {
        if (owner !== null) await client.query(`set local role ${owner}`)
        await client.query(statement)
        await client.query('reset role; release savepoint one')
      } catch {
        // the next comparison finds it still wrong, and reports it
        await client.query('rollback to savepoint one; reset role')
      }
    }
  }
}

/** Which of our roles owns it now; only that role can change it. */
function ownerOf(of: string, is: Fact[]): string | null {
  const prefix = `${of} belongs to `
  const found = is.find(({ fact }) => fact.startsWith(prefix))
  return found === undefined ? null : found.fact.slice(prefix.length)
}

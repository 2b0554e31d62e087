import pg from 'pg'
import type { OrgId } from '../core/ids.ts'
import { uuidOf } from '../core/ids.ts'
import type { Log } from '../core/ports.ts'
import { translate, isTransient } from './errors.ts'

/** A transaction in one org's scope: row-level security shows it that org's rows and no others. */
export interface TenantTx {
  readonly scope: 'tenant'
  query: Query
}

/** A transaction of workers, look-ups and operators. */
export interface SystemTx {
  readonly scope: 'system'
  query: Query
}

/** Runs one statement; rows come back as objects, int8 as number (nothing here counts beyond 2^53). */
export type Query = <R>(text: string, params?: unknown[]) => Promise<R[]>

/** The pools and the only two doors to them. */
export interface Database extends AsyncDisposable {
  /** One transaction for `orgId`. Deadlocks are tried again, so `work` may run more than once. */
  tenant<T>(orgId: OrgId, work: (tx: TenantTx) => Promise<T>): Promise<T>
  /** One transaction as the tenant role without any org: it sees no rows; for looking at the role itself. */
  anyTenant<T>(work: (query: Query) => Promise<T>): Promise<T>
  /** One transaction of the system, likewise. */
  system<T>(work: (tx: SystemTx) => Promise<T>): Promise<T>
}

/**
 * Limits so that a frozen process holds no lock for ever, a commit that means it, and plans by key: every statement here goes by
 * an index, and a plan made while a table was small must not become a scan of a large one.
 */
const settings = [
  'statement_timeout=15s',
  'lock_timeout=10s',
  'idle_in_transaction_session_timeout=15s',
  'synchronous_commit=on',
  'jit=off',
  'enable_seqscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
]
  .map((setting) => `-c ${setting}`)
  .join(' ')

/** Opens both pools (nothing is connected yet, so Postgres may be down). */
export function openDatabase(options: { tenantUrl: string; systemUrl: string; log: Log }): Database {
  const tenantPool = openPool(options.tenantUrl, 'anchorage tenant', options.log)
  const systemPool = openPool(options.systemUrl, 'anchorage system', options.log)
  return {
    tenant: (orgId, work) =>
      transaction(tenantPool, [`select set_config('anchorage.org_id', $1, true)`, [uuidOf(orgId)]], (query) =>
        work({ scope: 'tenant', query }),
      ),
    anyTenant: (work) => transaction(tenantPool, null, work),
    system: (work) => transaction(systemPool, null, (query) => work({ scope: 'system', query })),
    async [Symbol.asyncDispose]() {
      await Promise.all([tenantPool.end(), systemPool.end()])
    },
  }
}

/** A pool that survives Postgres' death: its clients' errors are logged, the next query connects anew. */
function openPool(url: string, name: string, log: Log): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: 8,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    application_name: name,
    options: settings,
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === 20 ? Number : pg.types.getTypeParser(oid, format),
    },
    pipeline: true,
  } as pg.PoolConfig)
  pool.on('error', (err) => log.warn({ err }, 'a connection to Postgres was lost'))
  return pool
}

const tries = 4

async function transaction<T>(
  pool: pg.Pool,
  first: [string, unknown[]] | null,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(pool, first, work)
    } catch (error) {
      if (attempt < tries && isTransient(error)) continue
      throw translate(error)
    }
  }
}

/** BEGIN and the scope travel with the first statement, in one round trip. */
async function once<T>(
  pool: pg.Pool,
  first: [string, unknown[]] | null,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  let broken: Error | boolean = false
  const opened: Promise<unknown>[] = [client.query('begin')]
  if (first) opened.push(client.query({ name: 'scope', text: first[0], values: first[1] }))
  const opening = Promise.all(opened)
  opening.catch(() => {})
  try {
    const result = await work(async <R>(text: string, params: unknown[] = []) => {
      const answer = client.query(text, params)
      answer.catch(() => {})
      await opening
      return (await answer).rows as R[]
    })
    await opening
    const end = await client.query('commit')
    // an aborted transaction answers COMMIT with a rollback, and no error
    if (end.command !== 'COMMIT') throw new Error('the transaction was rolled back')
    return result
  } catch (error) {
    try {
      await client.query('rollback')
    } catch (lost) {
      broken = lost instanceof Error ? lost : true
    }
    throw error
  } finally {
    client.release(broken)
  }
}

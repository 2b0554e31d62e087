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

/** One statement, with its parameters. */
export type Statement = [text: string, params: unknown[]]

/** The pools and the only two doors to them. */
export interface Database extends AsyncDisposable {
  /** One transaction for `orgId`. Deadlocks are tried again, so `work` may run more than once. */
  tenant<T>(orgId: OrgId, work: (tx: TenantTx) => Promise<T>): Promise<T>
  /**
   * One transaction for `orgId` whose statements do not depend on one another's answers: all travel at once, COMMIT with them, so
   * no lock waits for this process.
   */
  tenantAtOnce(orgId: OrgId, statements: Statement[]): Promise<unknown[][]>
  /** For single statements of the system: each is a transaction of its own, in one round trip. */
  statement: SystemTx
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

/**
 * All that the system asks goes by key, so one plan fits every call: planning each anew cost more than many of them do. Pages come in
 * the order of their index: a bitmap would read all that is left of a large node for every page of it.
 */
const generic = ' -c plan_cache_mode=force_generic_plan -c enable_bitmapscan=off'

/** How many statements of tenants Postgres is asked at a time; as many of the system. */
export const tenantConnections = 8

/** Opens both pools (nothing is connected yet, so Postgres may be down). */
export function openDatabase(options: { tenantUrl: string; systemUrl: string; log: Log }): Database {
  const tenantPool = openPool(options.tenantUrl, 'anchorage tenant', options.log)
  const systemPool = openPool(options.systemUrl, 'anchorage system', options.log, generic)
  return {
    tenant: (orgId, work) =>
      retried(() => transaction(tenantPool, orgId, (query) => work({ scope: 'tenant', query }))),
    tenantAtOnce: (orgId, statements) => retried(() => atOnce(tenantPool, orgId, statements)),
    statement: {
      scope: 'system',
      query: <R>(text: string, params: unknown[] = []) =>
        retried(async () => (await systemPool.query(text, params)).rows as R[]),
    },
    anyTenant: (work) => retried(() => transaction(tenantPool, null, work)),
    system: (work) =>
      retried(() => transaction(systemPool, null, (query) => work({ scope: 'system', query }))),
    async [Symbol.asyncDispose]() {
      await Promise.all([tenantPool.end(), systemPool.end()])
    },
  }
}

/** A pool that survives Postgres' death: its clients' errors are logged, the next query connects anew. */
function openPool(url: string, name: string, log: Log, more = ''): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: tenantConnections,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    application_name: name,
    options: settings + more,
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === 20 ? Number : pg.types.getTypeParser(oid, format),
    },
    pipeline: true,
  } as pg.PoolConfig)
  pool.on('error', (err) => {
    // the whole connection hangs on it, with the key that cancels its queries
    Reflect.deleteProperty(err, 'client')
    log.warn({ err }, 'a connection to Postgres was lost')
  })
  return pool
}

const tries = 4

/** Runs again what Postgres rolled back for no fault of its own. */
async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt === tries || !isTransient(error)) throw translate(error)
    }
  }
}

/** BEGIN and the scope travel with the first statement, in one round trip. */
async function transaction<T>(
  pool: pg.Pool,
  orgId: OrgId | null,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  return withClient(pool, async (client) => {
    const opening = Promise.all(open(client, orgId))
    opening.catch(() => {})
    const result = await work(async <R>(text: string, params: unknown[] = []) => {
      const answer = client.query(text, params)
      answer.catch(() => {})
      await opening
      return (await answer).rows as R[]
    })
    await opening
    assertCommitted(await client.query('commit'))
    return result
  })
}

/** The whole transaction in one round trip. */
async function atOnce(pool: pg.Pool, orgId: OrgId, statements: Statement[]): Promise<unknown[][]> {
  return withClient(pool, async (client) => {
    const sent = [
      ...open(client, orgId),
      ...statements.map(([text, params]) => client.query(text, params)),
      client.query('commit'),
    ]
    for (const answer of sent) answer.catch(() => {})
    const answers = await Promise.all(sent)
    assertCommitted(answers.at(-1))
    return answers.slice(2, -1).map((answer) => answer.rows)
  })
}

function open(client: pg.PoolClient, orgId: OrgId | null): Promise<pg.QueryResult>[] {
  const begun = client.query('begin')
  if (orgId === null) return [begun]
  const text = `select set_config('anchorage.org_id', $1, true)`
  return [begun, client.query({ name: 'scope', text, values: [uuidOf(orgId)] })]
}

/** An aborted transaction answers COMMIT with a rollback, and no error. */
function assertCommitted(answer: pg.QueryResult | undefined): void {
  if (answer?.command !== 'COMMIT') throw new Error('the transaction was rolled back')
}

async function withClient<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | boolean = false
  // One that is lost between two statements of ours says so to nobody else, and an error that nobody hears ends the process.
  const onLost = (error: Error) => (broken = error)
  client.on('error', onLost)
  try {
    return await work(client)
  } catch (error) {
    try {
      await client.query('rollback')
    } catch (lost) {
      broken = lost instanceof Error ? lost : true
    }
    throw error
  } finally {
    client.off('error', onLost)
    client.release(broken)
  }
}

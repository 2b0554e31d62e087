import type pg from 'pg'
import type { OrgId } from '../core/ids.ts'
import { uuidOf } from '../core/ids.ts'
import type { PoolUse } from '../core/measures.ts'
import type { Log } from '../core/ports.ts'
import { connectionsPerRole, inOneWrite, openConnections, type Connections, type Way } from './connections.ts'
import { isStalePlan, isTransient, leavesSessionWhole, translate } from './errors.ts'
import type { Query } from './query.ts'

/** A transaction in one org's scope: row-level security shows it that org's rows and no others. */
export interface OrgTx {
  readonly scope: 'org'
  query: Query
}

/** A transaction of workers, look-ups and operators. */
export interface SystemTx {
  readonly scope: 'system'
  query: Query
}

/**
 * One statement, with its parameters. A `name`, which no other text may have, is for a text that is worth planning only once per
 * connection.
 */
export type Statement = [text: string, params: unknown[], name?: string]

/** The two pools, and the only ways to use them. */
export interface Database extends AsyncDisposable {
  /** One transaction for `orgId`. Deadlocks are tried again, so `work` may run more than once. */
  org<T>(orgId: OrgId, work: (tx: OrgTx) => Promise<T>): Promise<T>
  /**
   * One transaction for `orgId` whose statements do not depend on one another's answers. All are sent at once, with COMMIT, so no lock is
   * held while Postgres waits for this process. When `signal` aborts, they end within a second.
   */
  orgAtOnce(orgId: OrgId, statements: Statement[], signal?: AbortSignal): Promise<unknown[][]>
  /** For single statements of the system: each is a transaction of its own, in one round trip. */
  statement: SystemTx
  /** One transaction as the tenant role without any org: it sees no rows, and serves to look at the role itself. */
  withoutOrg<T>(work: (query: Query) => Promise<T>): Promise<T>
  /** One transaction of the system. Deadlocks are tried again, as in `org`. */
  system<T>(work: (tx: SystemTx) => Promise<T>): Promise<T>
  /** Rejects (`unavailable`) unless both roles can write and commit, within 15 s. */
  proveWrites(): Promise<void>
  /** How each role's login reaches Postgres. */
  ways(): Promise<Record<'tenant' | 'system', Way>>
  /** The connections of each login, now. */
  pools(): Record<'tenant' | 'system', PoolUse>
}

/** Opens both pools (nothing is connected yet, so Postgres may be down). */
export function openDatabase(options: { tenantUrl: string; systemUrl: string; log: Log }): Database {
  const { tenantUrl, systemUrl, log } = options
  const tenant = openConnections({ url: tenantUrl, role: 'anchorage_tenant', name: 'anchorage tenant', log })
  const system = openConnections({ url: systemUrl, role: 'anchorage_system', name: 'anchorage system', log })
  return {
    org: (orgId, work) => retried(() => transaction(tenant, orgId, (query) => work({ scope: 'org', query }))),
    orgAtOnce: (orgId, statements, signal) => retried(() => atOnce(tenant, orgId, statements, signal)),
    statement: {
      scope: 'system',
      query: <R>(text: string, params: unknown[] = []) =>
        retried(() => system.use(async (client) => (await client.query(text, params)).rows as R[])),
    },
    withoutOrg: (work) => retried(() => transaction(tenant, null, work)),
    system: (work) => retried(() => transaction(system, null, (query) => work({ scope: 'system', query }))),
    async proveWrites() {
      await Promise.all([tenant, system].map((each) => retried(() => each.proveWrite())))
    },
    pools: () => ({ tenant: tenant.pool(), system: system.pool() }),
    ways: () => retried(async () => ({ tenant: await tenant.way(), system: await system.way() })),
    async [Symbol.asyncDispose]() {
      await Promise.all([tenant, system].map((each) => each[Symbol.asyncDispose]()))
    },
  }
}

const tries = 4

/** Retries `work` when Postgres rolled it back for no fault of its own. Each connection may once hold a plan from before a migration. */
async function retried<T>(work: () => Promise<T>): Promise<T> {
  let left = tries
  let stale = connectionsPerRole
  for (;;) {
    try {
      return await work()
    } catch (error) {
      const mayRepeat = isStalePlan(error) ? stale-- > 0 : isTransient(error) && --left > 0
      if (!mayRepeat) throw translate(error)
    }
  }
}

/** BEGIN and the scope are sent with the first statement, in one round trip. */
async function transaction<T>(
  connections: Connections,
  orgId: OrgId | null,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  return connections.use(async (client, direct) => {
    const opening = Promise.all(open(client, direct, orgId))
    opening.catch(() => {})
    try {
      const result = await work(async <R>(text: string, params: unknown[] = []) => {
        const answer = client.query(text, params)
        answer.catch(() => {})
        await opening
        return (await answer).rows as R[]
      })
      await opening
      assertCommitted(await client.query('commit'))
      return result
    } catch (error) {
      if (leavesSessionWhole(error)) await client.query('rollback')
      throw error
    }
  })
}

/** The whole transaction in one round trip. */
async function atOnce(
  connections: Connections,
  orgId: OrgId,
  statements: Statement[],
  signal?: AbortSignal,
): Promise<unknown[][]> {
  return connections.use(async (client, direct) => {
    const sent = inOneWrite(client, () => [
      ...open(client, direct, orgId),
      ...statements.map(([text, values, name]) =>
        client.query(direct && name !== undefined ? { text, values, name } : { text, values }),
      ),
      client.query('commit'),
    ])
    // The connection goes back to the pool only after every statement on it has been answered.
    const outcomes = await Promise.allSettled(sent)
    const answers = outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason
      return outcome.value
    })
    assertCommitted(answers.at(-1))
    return answers.slice(2, -1).map((answer) => answer.rows)
  }, signal)
}

/**
 * Sends BEGIN and the org's scope. The scope is planned once per connection, by its name. Not behind a pooler: the next backend would not
 * know the name, or know it from another client.
 */
function open(client: pg.PoolClient, direct: boolean, orgId: OrgId | null): Promise<pg.QueryResult>[] {
  const begun = client.query('begin')
  if (orgId === null) return [begun]
  const scope = { text: `select set_config('anchorage.org_id', $1, true)`, values: [uuidOf(orgId)] }
  return [begun, client.query(direct ? { ...scope, name: 'scope' } : scope)]
}

/** An aborted transaction answers COMMIT with a rollback, and no error. */
function assertCommitted(answer: pg.QueryResult | undefined): void {
  if (answer?.command !== 'COMMIT') throw new Error('the transaction was rolled back')
}

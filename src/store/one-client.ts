import pg from 'pg'
import { AnchorageError, inOneLine } from '../core/errors.ts'
import { translate } from './errors.ts'
import { loginRefused } from './login-refused.ts'
import type { Query } from './query.ts'

export interface OneClient {
  url: string
  /** The option that names the login, for messages: `database.url`. */
  option: string
  /** The name under which Postgres lists the connection. */
  name: string
  /** How long one statement may take; no limit when it is left out. */
  answerMs?: number
  /** Ends the connection, and with it the statement that is under way. */
  signal?: AbortSignal
}

/**
 * Lends `work` one connection outside the pools. Nothing is set on the connection, so a pooler may lie between. Rejects with `invalid` when
 * Postgres refuses the login, and with `unavailable` when it cannot connect.
 */
export async function withOneClient<T>(
  { url, option, name, answerMs, signal }: OneClient,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted()
  const client = new pg.Client({
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: 10_000,
    ...(answerMs === undefined ? {} : { query_timeout: answerMs }),
  })
  client.on('error', () => {})
  const end = () => void client.end().catch(() => {})
  signal?.addEventListener('abort', end)
  try {
    await client.connect().catch((cause: unknown) => {
      const message = `Postgres cannot be reached at ${option}: ${inOneLine(cause)}`
      throw loginRefused(cause, option) ?? new AnchorageError('unavailable', message, { cause })
    })
    return await work(client)
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', end)
    await client.end().catch(() => {})
  }
}

/** Statements on this connection. */
export function queryOf(client: pg.Client): Query {
  return async <R>(text: string, params: unknown[] = []) => (await client.query(text, params)).rows as R[]
}

/** One transaction of the system that lasts as long as `work` takes. `begin` is the statement that begins it. */
export async function withLongTransaction<T>(
  login: OneClient,
  begin: string,
  work: (client: pg.Client, query: Query) => Promise<T>,
): Promise<T> {
  return withOneClient(login, (client) =>
    transactionOn(client, `${begin}; ${unlikeRequests}`, (query) => work(client, query)),
  )
}

/** One transaction on a connection that is closed when the transaction fails. `begin` are the statements that begin it. */
export async function transactionOn<T>(
  client: pg.Client,
  begin: string,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  try {
    await client.query(begin)
    const result = await work(queryOf(client))
    const { command } = await client.query('commit')
    if (command !== 'COMMIT') throw new Error('the transaction was rolled back')
    return result
  } catch (error) {
    throw error instanceof pg.DatabaseError ? translate(error) : error
  }
}

/**
 * Whole tables are read, however long that takes, but a frozen process must not hold back vacuum for ever. The settings are local to the
 * transaction, so a pooler may lie between.
 */
const unlikeRequests = `
  set local statement_timeout = 0;
  set local lock_timeout = '30s';
  set local idle_in_transaction_session_timeout = '10min';
  set local enable_seqscan = on;
  set local enable_hashjoin = on;
  set local enable_bitmapscan = on;
  set local plan_cache_mode = auto`

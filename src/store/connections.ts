import type { Duplex } from 'node:stream'
import pg from 'pg'
import { AnchorageError, inOneLine } from '../core/errors.ts'
import type { PoolUse } from '../core/measures.ts'
import type { Log } from '../core/ports.ts'
import { assertLogin } from './assert-ready.ts'
import { endsByException } from './ends-by-exception.ts'
import { leavesSessionWhole } from './errors.ts'
import { loginKey, roleSettings, serves, type Role } from './role-settings.ts'

/** The connections of one login. */
export interface Connections extends AsyncDisposable {
  /**
   * Lends a connection to `work`. A connection is lent only if it has its role's settings. It is lent again only if its session is
   * unharmed; after any other error it is closed. `direct`: no pooler lies between, so statements prepared by name stay with the
   * connection. When `signal` aborts, the connection is closed, and Postgres ends its statement within a second.
   */
  use<T>(work: (client: pg.PoolClient, direct: boolean) => Promise<T>, signal?: AbortSignal): Promise<T>
  /** Rejects unless a transaction that writes commits, within 15 s. */
  proveWrite(): Promise<void>
  /** Whether a pooler lies between, as far as the answers of Postgres show it. */
  way(): Promise<Way>
  /** How many connections there are now. */
  pool(): PoolUse
}

/** How a login reaches Postgres. */
export type Way = 'directly' | 'through a pooler, by session' | 'through a pooler, by transaction'

export interface ConnectionOptions {
  url: string
  role: Role
  name: string
  log: Log
}

/** The size of each of the two pools: this many statements of orgs run at a time, and this many of the system. */
export const connectionsPerRole = 8

const connectMs = 5_000
/** Longer than the roles' statement_timeout: a server that has not answered by then is out of reach, and the connection is closed. */
const answerMs = 20_000
const lookMs = 5_000

/** A write that changes no row, but whose commit must reach the disk, and the standby if commits wait for one. */
const writing = {
  text: `with nothing as (update org_usage set org_id = org_id where false returning 1)
    select pg_logical_emit_message(true, 'anchorage', '')`,
  query_timeout: lookMs,
}

/** Opens a pool (nothing is connected yet, so Postgres may be down). */
export function openConnections({ url, role, name, log }: ConnectionOptions): Connections {
  const pool = openPool(url, name, log)
  const known = new WeakMap<pg.PoolClient, Admission>()

  const use: Connections['use'] = async (work, signal) => {
    signal?.throwIfAborted()
    const client = await pool.connect()
    // Closed when it is released, unless it passes the checks below.
    let over: Error | boolean = true
    // A connection that is lost between two of our statements emits `error`, and an `error` without a listener ends the process.
    const onLost = (error: Error) => (over = error)
    client.on('error', onLost)
    const hangUp = () => void streamOf(client).destroy()
    signal?.addEventListener('abort', hangUp)
    try {
      const admission = known.get(client) ?? (await admit(client, role))
      known.set(client, admission)
      over = !admission.writes
      return await work(client, admission.direct)
    } catch (error) {
      over ||= !leavesSessionWhole(error)
      signal?.throwIfAborted()
      throw error
    } finally {
      signal?.removeEventListener('abort', hangUp)
      client.off('error', onLost)
      client.release(over)
    }
  }

  return {
    use,
    proveWrite: () => use(async (client) => void (await client.query(writing))),
    way: () => use((one) => use((other) => wayOf(one, other))),
    pool: () => useOf(pool),
    [Symbol.asyncDispose]: () => pool.end(),
  }
}

/** A pool that survives a crash of Postgres: its clients' errors are logged, and the next query opens a new connection. */
function openPool(url: string, name: string, log: Log): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: connectionsPerRole,
    connectionTimeoutMillis: connectMs,
    query_timeout: answerMs,
    idleTimeoutMillis: 30_000,
    application_name: name,
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === 20 ? Number : pg.types.getTypeParser(oid, format),
    },
    pipeline: true,
  } as pg.PoolConfig)
  pool.on('connect', (client) => endsByException(streamOf(client)))
  pool.on('error', (err) => {
    // Only the message: the error holds the whole connection, with the key that cancels its queries.
    log.warn({ reason: inOneLine(err) }, 'a connection to Postgres was lost; the next query opens a new one')
  })
  return pool
}

function useOf({ totalCount, idleCount, waitingCount }: pg.Pool): PoolUse {
  return { idle: idleCount, busy: totalCount - idleCount, waiting: waitingCount }
}

function streamOf(client: pg.PoolClient): Duplex {
  return (client as unknown as { connection: { stream: Duplex } }).connection.stream
}

/** Runs `send`, and writes all that it sends to the socket at once. Otherwise the client would write once for each statement. */
export function inOneWrite<T>(client: pg.PoolClient, send: () => T): T {
  const stream = streamOf(client)
  stream.cork()
  try {
    return send()
  } finally {
    stream.uncork()
  }
}

/** What was found out about a connection when it was opened. */
interface Admission {
  /** A connection that takes no writes still serves reads, but only once, so that none is left when Postgres takes writes again. */
  writes: boolean
  direct: boolean
}

/**
 * Checks a new connection, in one round trip. Rejects when it does not run under its role's settings: with `unavailable`, whose cause is
 * the `invalid` that says what to do.
 */
async function admit(client: pg.PoolClient, role: Role): Promise<Admission> {
  const names = Object.keys(roleSettings[role])
  const columns = ['transaction_read_only', ...names].map((name) => `current_setting('${name}') as ${name}`)
  const look = { text: `select ${columns.join(', ')}, pg_backend_pid() as pid`, query_timeout: lookMs }
  const { rows } = await client.query(look)
  const { pid, ...shown }: Record<string, string> & { pid: number } = rows[0]
  if (names.every((name) => serves(role, name, shown[name])))
    return { writes: shown['transaction_read_only'] === 'off', direct: pid === toldPid(client) }
  const query = async <R>(text: string, params: unknown[] = []) =>
    (await client.query(text, params)).rows as R[]
  const reason = await assertLogin(query, role).then(
    () => new AnchorageError('invalid', `${loginKey(role)} gives sessions whose settings change`),
    (error: unknown) => error,
  )
  if (!(reason instanceof AnchorageError)) throw reason
  throw new AnchorageError('unavailable', reason.message, { cause: reason, retryAfterSeconds: 5 })
}

/** The pid of the backend as the handshake gave it. A pooler gives its clients keys of its own, so theirs differs from the real pid. */
function toldPid(client: pg.PoolClient): number | null | undefined {
  return (client as { processID?: number | null }).processID
}

/** A pooler in transaction mode may lend the same backend to two clients, or two backends to one client. */
async function wayOf(one: pg.PoolClient, other: pg.PoolClient): Promise<Way> {
  const pids: number[] = []
  for (const client of [one, other, one, other]) {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    pids.push(rows[0]?.pid ?? 0)
  }
  if (toldPid(one) === pids[0] && toldPid(other) === pids[1]) return 'directly'
  const kept = pids[0] === pids[2] && pids[1] === pids[3] && pids[0] !== pids[1]
  return kept ? 'through a pooler, by session' : 'through a pooler, by transaction'
}

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readlink, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { until } from '../../testing/settle.ts'
import type { World } from '../../testing/world/world.ts'

const run = promisify(execFile)

/** One statement's sums. The statements that a function runs have rows of their own, and are part of its times as well. */
export interface StatementSums {
  text: string
  /** Whether the node sent it; otherwise a function ran it. */
  sent: boolean
  calls: number
  rows: number
  planMs: number
  execMs: number
}

/** What Postgres has written since it was made. */
export interface Written {
  /** Transactions that changed something. */
  transactions: number
  walBytes: number
}

/** Postgres as a bystander sees it. */
export interface Observer extends AsyncDisposable {
  written(): Promise<Written>
  /** The statements of all other logins while `work` runs, the ones that took longest first. They are counted at no other time. */
  statementsOf(work: () => Promise<unknown>): Promise<StatementSums[]>
  version: string
}

/**
 * Gives the embedded Postgres of `world` the extension `pg_stat_statements`, and a login that may read it. The superuser cannot log in, so
 * this stops the world, runs Postgres in single-user mode, and starts the world again.
 */
export async function observed(world: World): Promise<Observer> {
  const pid = await world.pid('postgres')
  const [program, data] = [await readlink(`/proc/${pid}/exe`), await readlink(`/proc/${pid}/cwd`)]
  const url = new URL(await world.value('DATABASE_URL'))
  await world.stop()
  const password = randomBytes(16).toString('hex')
  await asSuperuser({ program, data, database: url.pathname.slice(1) }, [
    'create schema bench',
    'create extension pg_stat_statements schema bench',
    `create role bench login password '${password}' in role pg_monitor`,
    'grant usage on schema bench to bench',
    'grant execute on all functions in schema bench to bench',
    'grant execute on function pg_reload_conf() to bench',
    'grant alter system on parameter pg_stat_statements.track to bench',
    `alter system set shared_preload_libraries = 'pg_stat_statements'`,
    `alter system set pg_stat_statements.track = 'none'`,
    `alter system set pg_stat_statements.track_planning = on`,
  ])
  await world.startAgain()
  await world.well()
  url.username = 'bench'
  url.password = password
  return observer(url.href)
}

/** Runs `statements` on a Postgres that does not run; they must contain no line break. */
async function asSuperuser(
  { program, data, database }: { program: string; data: string; database: string },
  statements: string[],
): Promise<void> {
  const { uid, gid } = await stat(data)
  const preload = ['-c', 'shared_preload_libraries=pg_stat_statements']
  const single = run(program, ['--single', ...preload, '-D', data, database], { uid, gid, cwd: data })
  single.child.stdin?.end(`${statements.join('\n')}\n`)
  const { stdout, stderr } = await single
  // Single-user mode goes on after an error, and ends with code 0.
  assert.doesNotMatch(stdout + stderr, /\b(ERROR|FATAL|PANIC): /)
}

async function observer(url: string): Promise<Observer> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const track = async (what: 'all' | 'none'): Promise<void> => {
    await client.query(`alter system set pg_stat_statements.track = '${what}'`)
    await client.query('select pg_reload_conf()')
    await until(`Postgres tracks ${what}`, async () => {
      const { rows } = await client.query(`select current_setting('pg_stat_statements.track') as now`)
      return rows[0].now === what
    })
  }
  const { rows } = await client.query(`select current_setting('server_version') as version`)
  return {
    version: rows[0].version,
    async written() {
      const answer = await client.query<Written>(
        `select pg_snapshot_xmax(pg_current_snapshot())::text::float8 as transactions,
          pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as "walBytes"`,
      )
      return answer.rows[0] ?? assert.fail('no row')
    },
    async statementsOf(work) {
      await track('all')
      await client.query('select bench.pg_stat_statements_reset()')
      await work()
      const answer = await client.query<StatementSums>(statementSums)
      await track('none')
      return answer.rows
    },
    [Symbol.asyncDispose]: () => client.end(),
  }
}

const statementSums = `
  select query as text, toplevel as sent, sum(calls)::float8 as calls, sum(rows)::float8 as rows,
    sum(total_plan_time)::float8 as "planMs", sum(total_exec_time)::float8 as "execMs"
  from bench.pg_stat_statements
  where dbid = (select oid from pg_database where datname = current_database())
    and userid <> (select oid from pg_roles where rolname = current_user)
  group by query, toplevel order by sum(total_plan_time + total_exec_time) desc`

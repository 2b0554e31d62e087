import { AnchorageError } from '../core/errors.ts'
import type { Query } from './query.ts'

/** The two roles that log in. */
export type Role = 'anchorage_tenant' | 'anchorage_system'

/**
 * Timeouts: a frozen process holds no lock for ever, and a statement ends when its client hangs up. Commits are durable, and a statement
 * sees what was committed before it. Plans look up by key: every statement here uses an index, and a plan made while a table was small must
 * not become a scan of a large one.
 */
const both = {
  statement_timeout: '15s',
  lock_timeout: '10s',
  idle_in_transaction_session_timeout: '15s',
  client_connection_check_interval: '1s',
  synchronous_commit: 'on',
  default_transaction_isolation: 'read committed',
  jit: 'off',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
}

/**
 * The settings of each role's sessions. `migrate up` sets them on the roles, so that they hold on any connection that a pooler hands out.
 * Every statement of the system looks up by key, so one generic plan fits every call: planning each call cost more than many of the calls.
 * Pages are read in the order of their index: a bitmap scan would read the whole rest of a large node for every page.
 */
export const roleSettings: Record<Role, Record<string, string>> = {
  anchorage_tenant: both,
  anchorage_system: { ...both, plan_cache_mode: 'force_generic_plan', enable_bitmapscan: 'off' },
}

/** Whether a setting may have this value: the one written here, or a stricter one. */
export function serves(role: Role, name: string, value: string | null | undefined): boolean {
  return value === roleSettings[role][name] || (name === 'synchronous_commit' && value === 'remote_apply')
}

/** The option that names this role's login. */
export function loginKey(role: Role): 'database.url' | 'database.systemUrl' {
  return role === 'anchorage_tenant' ? 'database.url' : 'database.systemUrl'
}

/** One setting as a session shows it, where that value comes from, and what the session's login was given for it. */
interface Shown {
  name: string
  value: string
  source: string
  given: string | null
  login: string
  database: string
}

const look = `select s.name, current_setting(s.name) as value, s.source,
    session_user::text as login, current_database()::text as database,
    (select substr(c, length(s.name) + 2) from pg_db_role_setting r, unnest(r.setconfig) c
      where r.setrole = (select oid from pg_roles where rolname = session_user) and starts_with(c, s.name || '=')
        and r.setdatabase in (0, (select oid from pg_database where datname = current_database()))
      order by r.setdatabase desc limit 1) as given
  from pg_settings s where s.name = any($1) order by s.name`

/**
 * Refuses (`invalid`, with what to do) a session of `role` whose settings differ from the role's, or come from anywhere but its login: a
 * URL or a pooler that gives them today may not give them tomorrow.
 */
export async function assertRoleSettings(query: Query, role: Role): Promise<void> {
  const shown = await query<Shown>(look, [Object.keys(roleSettings[role])])
  const wrong = shown.filter(({ name, value, source }) => !serves(role, name, value) || !isGiven(source))
  if (wrong.length === 0) return
  const settings = wrong.map(({ name, value }) => `${name} = ${value}`).join(', ')
  const mends = new Set(wrong.map((setting) => mendOf(setting, role)))
  throw new AnchorageError(
    'invalid',
    `${loginKey(role)} gives sessions with ${settings}, which do not come from ${role}; ${[...mends].join('; ')}`,
  )
}

/** Whether a setting comes from the login itself, or from the login in this database. */
function isGiven(source: string): boolean {
  return source === 'user' || source === 'database user'
}

function mendOf({ name, source, given, login, database }: Shown, role: Role): string {
  const key = loginKey(role)
  if (source === 'client')
    return `remove ${name} from ${key} (its parameters and its options) and from PGOPTIONS`
  if (source === 'database user' && !serves(role, name, given))
    return `as the owner: alter role ${login} in database ${database} reset ${name}`
  if (serves(role, name, given))
    return `${login} has ${name} = ${given}, but a pooler has older sessions or changes them: make it connect again (RECONNECT)`
  if (login === role) return 'run: anchorage migrate up'
  return (
    `${login} is a member of ${role}, and members do not inherit settings; as the owner: alter role ` +
    `${login} set ${name} = '${roleSettings[role][name]}'`
  )
}

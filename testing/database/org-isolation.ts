import { randomUUID } from 'node:crypto'
import pg from 'pg'

/** The statements that the tenant role may run on its own org's rows; it may run none on the rows of other orgs. */
type Verb = 'select' | 'insert' | 'update' | 'delete'

/** How the rows of a table are assigned to orgs, and what an org may do with its own. Null instead: only the system may use the table. */
interface Decision {
  /** The column that says to whom a row belongs. */
  key: string
  verbs: Verb[]
  /** The column that may be updated, where not every column may. */
  updatable?: string
}

const all: Verb[] = ['select', 'insert', 'update', 'delete']

/** All tables: a new table is a breach until it is decided on here. */
export const decisions: Record<string, Decision | null> = {
  api_tokens: { key: 'org_id', verbs: ['select'] },
  audit_log: { key: 'org_id', verbs: ['select', 'insert'] },
  audit_log_rest: null,
  cache_versions: null,
  cluster: null,
  contents: null,
  garbage_turn: null,
  logout_tokens: null,
  memberships: { key: 'org_id', verbs: all },
  name_marks: null,
  nodes: null,
  org_usage: { key: 'org_id', verbs: ['select', 'insert', 'update'] },
  orgs: { key: 'id', verbs: ['select', 'update'], updatable: 'last_seq' },
  pin_counts: { key: 'org_id', verbs: all },
  pin_meta: { key: 'org_id', verbs: all },
  pin_names: null,
  pins: { key: 'org_id', verbs: all },
  placement_changes: null,
  placement_counts: null,
  placements: null,
  plan_moves: null,
  plans: null,
  rate_counts: null,
  refolds: null,
  reserved_bytes: { key: 'org_id', verbs: ['select'] },
  schema_migrations: null,
  schema_functions: null,
  sessions: null,
  signing_keys: null,
  token_denylist: null,
  unwanted_pins: null,
  users: { key: 'id', verbs: ['select'] },
}

/** Functions that the tenant role may call and that run with more rights than its own. */
const definers = [
  'able_nodes()',
  'is_retired(uuid)',
  'known_sizes(text[])',
  'lock_contents(text[])',
  'lower_wanted(text[])',
  'named_like(text,text)',
  'names_noted()',
  'note_names(integer)',
  'org_backlog()',
  'pin_details(text[])',
  'release_contents(text[],bigint)',
  'revoke_own_tokens(uuid[])',
  'want_contents(jsonb,integer)',
]

/** Two orgs with a row in each table, as uuids; `users` are one member of each. */
export interface TwoOrgs {
  orgs: [ours: string, theirs: string]
  users: [ours: string, theirs: string]
}

/** A connection as each of the three roles. */
export interface Roles {
  tenant: pg.Client
  system: pg.Client
  owner: pg.Client
}

/** Describes what a role can reach and must not, or cannot reach and must; empty when all holds. */
export async function isolationBreaches({ tenant, system, owner }: Roles, two: TwoOrgs): Promise<string[]> {
  return [
    ...(await undecided(tenant)),
    ...(await loose(tenant)),
    ...(await unscoped(tenant, two)),
    ...(await scoped(tenant, two)),
    ...(await others(system, owner, two)),
    ...(await ownerOfLog(owner, two)),
  ]
}

async function undecided(tenant: pg.Client): Promise<string[]> {
  const { rows } = await tenant.query<{ name: string; granted: string[] }>(
    `select relname as name, array(select v from unnest($1::text[]) v
       where has_table_privilege(c.oid, v) or v in ('select', 'update') and has_any_column_privilege(c.oid, v)) as granted
     from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')
       and relname !~ '^audit_log_[0-9]{6}$' order by relname`,
    [[...all, 'truncate', 'references', 'trigger']],
  )
  const known = Object.keys(decisions)
  return [
    ...rows.filter((row) => !known.includes(row.name)).map((row) => `${row.name}: no decision is recorded`),
    ...known.filter((name) => !rows.some((row) => row.name === name)).map((name) => `${name}: is not there`),
    ...rows.flatMap(({ name, granted }) => {
      const decided = (decisions[name]?.verbs ?? []).join(', ')
      return granted.join(', ') === decided ? [] : [`${name}: granted ${granted.join(', ')}, not ${decided}`]
    }),
  ]
}

/** Checks the functions that run with more rights than their caller has. */
async function loose(tenant: pg.Client): Promise<string[]> {
  const { rows } = await tenant.query<{ name: string; ours: boolean; fenced: boolean; open: boolean }>(
    `select p.oid::regprocedure::text as name, has_function_privilege(p.oid, 'execute') as ours,
       pg_get_userbyid(p.proowner) in ('anchorage_system', 'anchorage_audit')
         and coalesce('search_path=public, pg_temp' = any (p.proconfig), false) as fenced,
       p.proacl is null or exists (select from aclexplode(p.proacl) a where a.grantee = 0) as open
     from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prosecdef order by 1`,
  )
  const ours = rows.filter((row) => row.ours).map((row) => row.name)
  return [
    ...rows.filter((row) => !row.fenced || row.open).map((row) => `${row.name}: is not fenced in`),
    ...(ours.join() === definers.join() ? [] : [`functions: ${ours.join()}, not ${definers.join()}`]),
  ]
}

/**
 * Checks the tenant role without an org, with an org that does not exist, and on a connection that served an org before, with success or
 * with an error.
 */
async function unscoped(tenant: pg.Client, { orgs: [ours] }: TwoOrgs): Promise<string[]> {
  const found: string[] = []
  const look = async (how: string): Promise<void> => {
    for (const [table, decision] of Object.entries(decisions)) {
      const seen = await attempt(tenant, `select from ${table}`)
      const must = decision ? '0' : '42501'
      if (seen !== must) found.push(`${table}: ${seen} ${how}`)
    }
    for (const [sql, must] of [
      [`select from org_backlog()`, '0'],
      [`select from pin_details(array(select 'of-' || generate_series(1, 9)))`, '0'],
      [`select from jsonb_object_keys(known_sizes(array['of-1', 'of-2']))`, '0'],
      [`select from revoke_own_tokens('{}') where revoked <> '{}'`, '0'],
      [`select want_contents('[]', 1)`, '42501'],
      [`select lock_contents(array['of-1'])`, '42501'],
      [`select lower_wanted(array['of-1'])`, '42501'],
      [`select release_contents(array['of-1'], 0)`, '42501'],
    ] as const) {
      const seen = await attempt(tenant, sql)
      if (seen !== must && how !== 'with an org that is none') found.push(`${sql}: ${seen} ${how}`)
    }
  }
  await inScope(tenant, null, () => look('without an org'))
  await inScope(tenant, ours, () => tenant.query('select from pins'), 'commit')
  await inScope(tenant, null, () => look('after an org'))
  await inScope(tenant, ours, () => tenant.query('select 1/0')).catch(() => {})
  await inScope(tenant, null, () => look('after an error'))
  await inScope(tenant, randomUUID(), () => look('with an org that is none'))
  return found
}

async function scoped(tenant: pg.Client, { orgs, users }: TwoOrgs): Promise<string[]> {
  const found: string[] = []
  const expect = async (table: string, what: string, sql: string, must: (seen: string) => boolean) => {
    const seen = await attempt(tenant, sql)
    if (!must(seen)) found.push(`${table}: ${seen} when ${what}`)
  }
  const refused = (seen: string): boolean => seen === '42501'
  const none = (seen: string): boolean => seen === '0' || refused(seen)
  const some = (seen: string): boolean => Number(seen) > 0 && seen.length < 5
  for (const [table, decision] of Object.entries(decisions)) {
    if (!decision) continue
    const { key, verbs, updatable = key } = decision
    const [mine, theirs] = (table === 'users' ? users : orgs).map((id) => `'${id}'`)
    const copy = (owner = ''): string =>
      `insert into ${table} select (jsonb_populate_record(null::${table}, to_jsonb(t) || '{"${key}": ${owner.replaceAll("'", '"')}}')).* from ${table} t limit 1`
    await inScope(tenant, orgs[0], async () => {
      await expect(table, 'its own are read', `select ${key} from ${table} where ${key} = ${mine}`, some)
      await expect(table, 'others are read', `select ${key} from ${table} where ${key} <> ${mine}`, none)
      const own = (verb: Verb, must: (seen: string) => boolean) => (verbs.includes(verb) ? must : refused)
      const update = `update ${table} set ${updatable} = ${updatable}`
      await expect(table, 'its own are changed', `${update} where ${key} = ${mine}`, own('update', some))
      await expect(table, 'others are changed', `${update} where ${key} = ${theirs}`, none)
      await expect(table, 'rows are given away', `update ${table} set ${key} = ${theirs}`, refused)
      await expect(
        table,
        'its own are deleted',
        `delete from ${table} where ${key} = ${mine}`,
        own('delete', some),
      )
      await expect(table, 'others are deleted', `delete from ${table} where ${key} = ${theirs}`, none)
      // the copy breaks a unique key, and so shows that row-level security let it pass first
      await expect(
        table,
        'its own are added',
        copy(mine),
        own('insert', (seen) => seen === '23505'),
      )
      await expect(table, 'others are added', copy(theirs), refused)
    })
  }
  return found
}

/** Checks that the system sees all orgs, and that the owner, who is bound only by FORCE ROW LEVEL SECURITY, sees none. */
async function others(system: pg.Client, owner: pg.Client, { orgs, users }: TwoOrgs): Promise<string[]> {
  const found: string[] = []
  for (const [table, decision] of Object.entries(decisions)) {
    if (!decision) continue
    for (const id of table === 'users' ? users : orgs) {
      await inScope(system, null, async () => {
        const seen = await attempt(system, `select from ${table} where ${decision.key} = '${id}'`)
        if (seen === '0' || seen === '42501') found.push(`${table}: ${seen} for the system`)
      })
    }
    await asOwnerOf(owner, table, () =>
      inScope(owner, null, async () => {
        const seen = await attempt(owner, `select from ${table}`)
        if (seen !== '0') found.push(`${table}: ${seen} for its owner`)
      }),
    )
  }
  return found
}

/** Checks that the role that owns the audit log can write no lines except its own. */
async function ownerOfLog(owner: pg.Client, { orgs: [ours] }: TwoOrgs): Promise<string[]> {
  const found: string[] = []
  const expect = async (action: string, org: string, must: string) => {
    const seen = await attempt(
      owner,
      `insert into audit_log (id, org_id, actor, action, target) values (gen_random_uuid(), ${org}, 'x', '${action}', 'x')`,
    )
    if (seen !== must) found.push(`audit_log: ${seen} when its owner writes ${action} of ${org}`)
  }
  await asOwnerOf(owner, 'audit_log', () =>
    inScope(owner, null, async () => {
      await expect('audit.drop', 'null', '1')
      await expect('audit.drop', `'${ours}'`, '42501')
      await expect('pin.create', 'null', '42501')
    }),
  )
  return found
}

/** Does `work` as the role that owns a table or function, which need not be the one that owns the database. */
export async function asOwnerOf(owner: pg.Client, name: string, work: () => Promise<void>): Promise<void> {
  const { rows } = await owner.query<{ role: string }>(
    name.includes('(')
      ? 'select pg_get_userbyid(proowner) as role from pg_proc where oid = $1::regprocedure'
      : 'select pg_get_userbyid(relowner) as role from pg_class where oid = $1::regclass',
    [name],
  )
  await owner.query(`set role ${rows[0]?.role}`)
  try {
    await work()
  } finally {
    await owner.query('reset role')
  }
}

/** The number of rows that a statement hit, or the SQLSTATE with which it failed. Runs within a transaction and undoes what it changed. */
async function attempt(client: pg.Client, sql: string): Promise<string> {
  await client.query('savepoint attempt')
  const seen = await client.query(sql).then(
    (answer) => String(answer.rowCount),
    (error: unknown) => (error instanceof pg.DatabaseError ? String(error.code) : Promise.reject(error)),
  )
  await client.query('rollback to attempt')
  return seen
}

/** Runs `work` in a transaction with the scope of an org, or without one, as the store does. */
async function inScope(
  client: pg.Client,
  org: string | null,
  work: () => Promise<unknown>,
  end: 'commit' | 'rollback' = 'rollback',
): Promise<void> {
  await client.query('begin')
  try {
    if (org !== null) await client.query(`select set_config('anchorage.org_id', $1, true)`, [org])
    await work()
    await client.query(end)
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}

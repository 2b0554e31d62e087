import { AnchorageError } from '../core/errors.ts'
import { compareFunctions, readFunctions } from './functions.ts'
import { codeLevel } from './migrate.ts'
import type { Query } from './query.ts'
import { assertRoleSettings, loginKey, type Role } from './role-settings.ts'

const mend = 'run: anchorage migrate up'

/** Refuses (`invalid`, with what to do) a schema that is missing, too old or too new. */
export async function assertSchema(system: Query): Promise<void> {
  const [there] = await system<{ there: boolean }>(
    `select to_regclass('schema_migrations') is not null as there`,
  )
  if (!there?.there) throw refused(`the database has no schema yet; ${mend}`)
  const [level] = await system<{ version: number; min_code: number }>(
    'select max(version) as version, max(min_code) filter (where version > $1) as min_code from schema_migrations',
    [codeLevel],
  )
  if ((level?.version ?? 0) < codeLevel)
    throw refused(
      `the database is at migration ${level?.version ?? 0}, this version needs ${codeLevel}; ${mend}`,
    )
  if ((level?.min_code ?? 0) > codeLevel)
    throw refused(
      `the database is at migration ${level?.version}, and this version is too old for it; upgrade ` +
        'anchorage',
    )
  await assertFunctions(system)
}

/** Refuses (`invalid`, with what to do) a database whose functions are older than this version's. */
async function assertFunctions(system: Query): Promise<void> {
  const status = await compareFunctions(system, await readFunctions())
  const pending = status.filter(({ state }) => state === 'pending').map(({ name }) => name)
  if (pending.length > 0)
    throw refused(
      `${pending.length} functions of the database differ from those of this version ` +
        `(${pending.slice(0, 3).join(', ')}${pending.length > 3 ? ', …' : ''}); ${mend}`,
    )
}

/** Refuses (`invalid`, with what to do) a login with more or fewer rights than its role, or whose sessions run under other settings. */
export async function assertLogin(query: Query, role: Role): Promise<void> {
  await assertRole(query, role)
  await assertRoleSettings(query, role)
}

/** Refuses (`invalid`, with what to do) a login with more or fewer rights than its role. */
export async function assertRole(query: Query, role: Role): Promise<void> {
  const key = loginKey(role)
  const [row] = await query<{
    name: string
    super: boolean
    member: boolean
    others: string[]
  }>(
    `select current_user::text as name, r.rolsuper or r.rolbypassrls as super, pg_has_role(r.oid, $1, 'usage') as member,
       array(select o.rolname::text from pg_roles o
             where o.rolname <> $1 and o.rolname <> current_user and pg_has_role(r.oid, o.oid, 'usage')
               and (o.rolname in ('anchorage_tenant', 'anchorage_system', 'anchorage_audit')
                    or o.oid in (select relowner from pg_class where relname = 'pins'))) as others
     from pg_roles r where r.rolname = current_user`,
    [role],
  )
  if (!row?.member)
    throw refused(`${key} logs in as ${row?.name}, which is not a member of ${role}; log in as ${role}`)
  if (row.super)
    throw refused(`${key} logs in as ${row.name}, which bypasses row-level security; log in as ${role}`)
  if (row.others.length > 0)
    throw refused(`${key} logs in as ${row.name}, which is also ${row.others.join(', ')}; log in as ${role}`)
}

function refused(message: string): AnchorageError {
  return new AnchorageError('invalid', message)
}

import pg from 'pg'
import type { Query } from './query.ts'
import { roleSettings, serves, type Role } from './role-settings.ts'

const roleNames = ['anchorage_tenant', 'anchorage_system', 'anchorage_audit'] as const

/**
 * Makes the three roles beside the owner, none a superuser, none with BYPASSRLS. Tenant and system log in. Audit only owns the audit log,
 * so that no login that serves requests can change or drop its lines. The owner may take on system and audit (`set role`), but never
 * inherits from them. The settings of sessions belong to the roles, in every database, so that every connection has them. A role whose
 * password is null keeps its login as it was.
 */
export async function ensureRoles(
  client: pg.Client,
  passwords: { tenant: string | null; system: string | null },
): Promise<void> {
  await ensureRole(client, 'anchorage_tenant', passwords.tenant)
  await ensureRole(client, 'anchorage_system', passwords.system)
  await ensureRole(client, 'anchorage_audit', null)
  await ensureSettings(client, 'anchorage_tenant')
  await ensureSettings(client, 'anchorage_system')
  for (const role of ['anchorage_system', 'anchorage_audit'])
    await client.query(`grant ${role} to current_user with set true, inherit false`)
  const { rows } = await client.query('select quote_ident(current_database()) as name')
  await client.query(`grant connect on database ${rows[0]?.name} to anchorage_tenant, anchorage_system`)
}

/**
 * Whether `error` says that a run on another database changed the same role at the same moment. All databases of a server share its roles,
 * but no lock, and Postgres refuses one of the two changes at once. The transaction may simply run again.
 */
export function changedMeanwhile(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return false
  const { code, message, constraint } = error
  return (
    code === '42710' ||
    constraint === 'pg_authid_rolname_index' ||
    /^tuple concurrently (?:updated|deleted)$/.test(message)
  )
}

async function ensureRole(client: pg.Client, name: string, password: string | null): Promise<void> {
  const { rows } = await client.query('select rolname from pg_roles where rolname = $1', [name])
  if (rows.length === 0) await client.query(`create role ${name} nologin nosuperuser nobypassrls`)
  if (password !== null)
    await client.query(`alter role ${name} login password ${client.escapeLiteral(password)}`)
}

/** Sets the settings that the role lacks. A role that already has them all is not altered. */
async function ensureSettings(client: pg.Client, role: Role): Promise<void> {
  const { rows } = await client.query<{ config: string[] | null }>(
    'select rolconfig as config from pg_roles where rolname = $1',
    [role],
  )
  const given = new Map((rows[0]?.config ?? []).map((setting) => splitSetting(setting)))
  for (const [name, value] of Object.entries(roleSettings[role]))
    if (!serves(role, name, given.get(name)))
      await client.query(`alter role ${role} set ${name} = ${client.escapeLiteral(value)}`)
}

function splitSetting(setting: string): [name: string, value: string] {
  const at = setting.indexOf('=')
  return [setting.slice(0, at), setting.slice(at + 1)]
}

/** Whether all three roles exist, even with faults. */
export async function rolesAreThere(query: Query): Promise<boolean> {
  return (await roleRows(query)).length === roleNames.length
}

interface RoleRow {
  name: string
  login: boolean
  free: boolean
  config: string[] | null
}

/** The faults of the roles, a line each. `migrate up` mends all but a role that bypasses row-level security. */
export async function roleFaults(query: Query): Promise<string[]> {
  const rows = await roleRows(query)
  const faults: string[] = []
  for (const name of roleNames) {
    const role = rows.find((row) => row.name === name)
    if (role === undefined) {
      faults.push(`missing: the role ${name}`)
      continue
    }
    if (role.free) faults.push(`too much: ${name} bypasses row-level security`)
    if (name === 'anchorage_audit') continue
    if (!role.login) faults.push(`missing: ${name} may log in`)
    const given = new Map((role.config ?? []).map((setting) => splitSetting(setting)))
    for (const [setting, value] of Object.entries(roleSettings[name]))
      if (!serves(name, setting, given.get(setting)))
        faults.push(`missing: ${name} has ${setting} = ${value}`)
  }
  return faults
}

function roleRows(query: Query): Promise<RoleRow[]> {
  return query<RoleRow>(
    `select rolname::text as name, rolcanlogin as login, rolsuper or rolbypassrls as free, rolconfig as config from pg_roles
     where rolname = any ($1)`,
    [roleNames],
  )
}

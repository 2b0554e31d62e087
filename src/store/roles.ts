import type pg from 'pg'
import { roleSettings, serves, type Role } from './role-settings.ts'

/**
 * The three roles beside the owner, none a superuser, none with BYPASSRLS: tenant and system log in; audit only owns the log,
 * so that nothing that serves requests can change or drop what was written there.
 * The owner may take on system and audit (`set role`), never inherits from them. What their sessions run under is the roles' own, in every
 * database, so no connection is without it, whoever opened it.
 */
export async function ensureRoles(
  client: pg.Client,
  passwords: { tenant: string; system: string },
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

async function ensureRole(client: pg.Client, name: string, password: string | null): Promise<void> {
  const { rows } = await client.query('select rolname from pg_roles where rolname = $1', [name])
  if (rows.length === 0) await client.query(`create role ${name} nologin nosuperuser nobypassrls`)
  if (password !== null)
    await client.query(`alter role ${name} login password ${client.escapeLiteral(password)}`)
}

/** Sets what the role lacks: one that somebody else made as it must be is left alone. */
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

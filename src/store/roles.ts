import type pg from 'pg'

/**
 * The three roles beside the owner, none a superuser, none with BYPASSRLS: tenant and system log in; audit only owns the log,
 * so that nothing that serves requests can change or drop what was written there.
 * The owner may take on system and audit (`set role`), never inherits from them.
 */
export async function ensureRoles(
  client: pg.Client,
  passwords: { tenant: string; system: string },
): Promise<void> {
  await ensureRole(client, 'anchorage_tenant', passwords.tenant)
  await ensureRole(client, 'anchorage_system', passwords.system)
  await ensureRole(client, 'anchorage_audit', null)
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

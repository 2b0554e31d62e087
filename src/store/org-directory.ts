import { AnchorageError } from '../core/errors.ts'
import { idOrNull, mintId, parseId, uuidOf, type OrgId, type UserId } from '../core/ids.ts'
import { slugForm, type Org, type OrgLimits, type Role, type Usage, type User } from '../core/org.ts'
import type { OrgDirectory } from '../core/ports.ts'
import { audit } from './audit.ts'
import type { Database, SystemTx } from './database.ts'
import { sqlState } from './errors.ts'
import { orgColumns, orgOf, usageColumns, usageOf, type OrgRow, type UsageRow } from './org-rows.ts'
import { removeOrg, resumeOrg, suspendOrg } from './stop-orgs.ts'
import { userColumns, userOf, type UserRow } from './user-rows.ts'

/** What operators do with orgs and people. */
export function orgDirectory(db: Database): OrgDirectory {
  return {
    findOrg: (idOrSlug) => findOrg(db.statement, idOrSlug),
    orgs: (afterSlug, limit) => readOrgs(db.statement, afterSlug, limit),
    createOrg: (slug, options, actor) => db.system((tx) => createOrg(tx, slug, options, actor)),
    setOrg: (orgId, change, actor) => db.system((tx) => setOrg(tx, orgId, change, actor)),
    suspendOrg: (orgId, reason, actor) => db.system((tx) => suspendOrg(tx, orgId, reason, actor)),
    resumeOrg: (orgId, actor) => db.system((tx) => resumeOrg(tx, orgId, actor)),
    removeOrg: (orgId, actor) => db.system((tx) => removeOrg(tx, orgId, actor)),
    orgsOf: (userId) => orgsOf(db.statement, userId),
    users: (afterId, limit) => readUsers(db.statement, afterId, limit),
  }
}

async function findOrg(tx: SystemTx, idOrSlug: string): Promise<Org> {
  const id = idOrNull('org', idOrSlug)
  const [row] = await tx.query<OrgRow>(
    `select ${orgColumns} from orgs o where o.id = $1 or o.slug = $2 order by o.id = $1 desc limit 1`,
    [id && uuidOf(id), idOrSlug],
  )
  if (!row) throw new AnchorageError('not_found', `there is no org ${idOrSlug}`)
  return orgOf(row)
}

async function readOrgs(tx: SystemTx, afterSlug: string, limit: number): Promise<(Org & { usage: Usage })[]> {
  const rows = await tx.query<OrgRow & UsageRow>(
    `select ${orgColumns}, ${usageColumns} from orgs o where o.slug > $1 order by o.slug limit $2`,
    [afterSlug, limit],
  )
  return rows.map((row) => ({ ...orgOf(row), usage: usageOf(row) }))
}

async function orgsOf(tx: SystemTx, userId: UserId): Promise<(Org & { usage: Usage; role: Role })[]> {
  const rows = await tx.query<OrgRow & UsageRow & { role: Role }>(
    `select ${orgColumns}, ${usageColumns}, m.role from memberships m join orgs o on o.id = m.org_id
     where m.user_id = $1 order by o.slug`,
    [uuidOf(userId)],
  )
  return rows.map((row) => ({ ...orgOf(row), usage: usageOf(row), role: row.role }))
}

/** The settings of an org that can be changed. */
type OrgChange = Partial<OrgLimits> & { defaultReplicas?: number | null }

const columns: [key: keyof OrgChange, column: string][] = [
  ['maxPins', 'max_pins'],
  ['maxBytes', 'max_bytes'],
  ['maxReplicas', 'max_replicas'],
  ['defaultReplicas', 'default_replicas'],
]

/** `conflict` when the slug is taken, `invalid` when it is not a valid slug. */
async function createOrg(
  tx: SystemTx,
  slug: string,
  options: { limits?: Partial<OrgLimits>; defaultReplicas?: number | null },
  actor: string,
): Promise<Org> {
  if (!slugForm.test(slug))
    throw new AnchorageError('invalid', 'a slug is 1 to 63 lower-case letters, digits and inner hyphens')
  const { limits = {}, defaultReplicas = null } = options
  const [row] = await tx
    .query<OrgRow>(
      `insert into orgs as o (id, slug, max_pins, max_bytes, max_replicas, default_replicas) values ($1, $2, $3, $4, $5, $6)
       on conflict (slug) do nothing returning ${orgColumns}`,
      [
        uuidOf(mintId('org')),
        slug,
        limits.maxPins ?? null,
        limits.maxBytes ?? null,
        limits.maxReplicas ?? null,
        defaultReplicas,
      ],
    )
    .catch(badLimit)
  if (!row) throw new AnchorageError('conflict', `there is already an org named ${slug}`)
  const org = orgOf(row)
  const set = Object.fromEntries(
    Object.entries({ ...org.limits, defaultReplicas }).filter(([, value]) => value !== null),
  )
  await audit(tx, { orgId: org.id, actor, action: 'org.create', target: slug, details: set })
  return org
}

/** Changes what is given; null lifts a limit. */
async function setOrg(tx: SystemTx, orgId: OrgId, change: OrgChange, actor: string): Promise<Org> {
  const params: unknown[] = [uuidOf(orgId)]
  const sets = columns.flatMap(([key, column]) =>
    change[key] === undefined ? [] : [`${column} = $${params.push(change[key])}`],
  )
  const [row] = await tx
    .query<OrgRow>(
      sets.length === 0
        ? `select ${orgColumns} from orgs o where o.id = $1`
        : `update orgs o set ${sets.join(', ')} where o.id = $1 returning ${orgColumns}`,
      params,
    )
    .catch(badLimit)
  if (!row) throw new AnchorageError('not_found', `there is no org ${orgId}`)
  if (sets.length > 0) await audit(tx, { orgId, actor, action: 'org.set', target: row.slug, details: change })
  return orgOf(row)
}

function badLimit(cause: unknown): never {
  if (!/^(22|23514)/.test(sqlState(cause) ?? '')) throw cause
  throw new AnchorageError('invalid', 'a limit is a whole number from 0 up; replicas are 1 to 100', { cause })
}

async function readUsers(tx: SystemTx, afterId: string, limit: number): Promise<User[]> {
  const after = afterId === '' ? '00000000-0000-0000-0000-000000000000' : uuidOf(parseId('usr', afterId))
  const rows = await tx.query<UserRow>(
    `select ${userColumns} from users u where u.id > $1 order by u.id limit $2`,
    [after, limit],
  )
  return rows.map(userOf)
}

import { AnchorageError } from '../core/errors.ts'
import { uuidOf, type OrgId } from '../core/ids.ts'
import type { Org } from '../core/org.ts'
import { audit } from './audit.ts'
import type { SystemTx } from './database.ts'
import { orgColumns, orgOf, usageColumns, usageOf, type OrgRow, type UsageRow } from './org-rows.ts'
import { toText } from './text.ts'

/**
 * Changes only the org's row. Its tokens and sessions are looked up together with the org, and its work is set aside (`put_by`) when a node
 * claims or extends it.
 */
export async function suspendOrg(tx: SystemTx, orgId: OrgId, reason: string, actor: string): Promise<Org> {
  await lockStoppable(tx, orgId)
  const changed = await tx.query(
    `update orgs set suspended_at = coalesce(suspended_at, clock_timestamp()), suspended_reason = $2, wake_after = null
     where id = $1 and suspended_reason is distinct from $2 returning id`,
    [uuidOf(orgId), toText(reason)],
  )
  const org = orgOf(await read(tx, orgId))
  const entry = { orgId, actor, action: 'org.suspend', target: org.slug, details: { reason: toText(reason) } }
  if (changed.length > 0) await audit(tx, entry)
  return org
}

/** After its commit no work of the org is set aside any more. The leader wakes the work that was. */
export async function resumeOrg(tx: SystemTx, orgId: OrgId, actor: string): Promise<Org> {
  await lockStoppable(tx, orgId)
  const changed = await tx.query(
    `update orgs set suspended_at = null, suspended_reason = null, wake_after = '' where id = $1 and suspended_at is not null returning id`,
    [uuidOf(orgId)],
  )
  const org = orgOf(await read(tx, orgId))
  if (changed.length > 0) await audit(tx, { orgId, actor, action: 'org.resume', target: org.slug })
  return org
}

/** Marks the org; the leader removes it step by step. */
export async function removeOrg(tx: SystemTx, orgId: OrgId, actor: string): Promise<Org> {
  const changed = await tx.query(
    `update orgs set removing_at = clock_timestamp(), suspended_at = coalesce(suspended_at, clock_timestamp()),
       suspended_reason = coalesce(suspended_reason, 'it is being removed'), wake_after = null
     where id = $1 and removing_at is null returning id`,
    [uuidOf(orgId)],
  )
  const row = await read(tx, orgId)
  const org = orgOf(row)
  if (changed.length > 0)
    await audit(tx, { orgId, actor, action: 'org.remove', target: org.slug, details: usageOf(row) })
  return org
}

async function lockStoppable(tx: SystemTx, orgId: OrgId): Promise<void> {
  const [row] = await tx.query<{ slug: string; removing: boolean }>(
    'select slug, removing_at is not null as removing from orgs where id = $1 for no key update',
    [uuidOf(orgId)],
  )
  const { slug, removing } = there(row, orgId)
  if (removing) throw new AnchorageError('conflict', `the org ${slug} is being removed`)
}

async function read(tx: SystemTx, orgId: OrgId): Promise<OrgRow & UsageRow> {
  const [row] = await tx.query<OrgRow & UsageRow>(
    `select ${orgColumns}, ${usageColumns} from orgs o where o.id = $1`,
    [uuidOf(orgId)],
  )
  return there(row, orgId)
}

function there<R>(row: R | undefined, orgId: OrgId): R {
  if (row === undefined) throw new AnchorageError('not_found', `there is no org ${orgId}`)
  return row
}

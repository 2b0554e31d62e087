import { idOf } from '../core/ids.ts'
import type { Org, OrgLimits, Usage } from '../core/org.ts'
import type { PinStatus } from '../core/pin.ts'
import { fromText } from './text.ts'

/** A row of `orgs`. */
export interface OrgRow {
  id: string
  slug: string
  max_pins: number | null
  max_bytes: number | null
  max_replicas: number | null
  default_replicas: number | null
  created_at: Date
  suspended_at: Date | null
  suspended_reason: string | null
  removing_at: Date | null
}

export const orgColumns =
  'o.id, o.slug, o.max_pins, o.max_bytes, o.max_replicas, o.default_replicas, o.created_at, o.suspended_at, o.suspended_reason, o.removing_at'

export function orgOf(row: OrgRow): Org {
  return {
    id: idOf('org', row.id),
    slug: row.slug,
    limits: limitsOf(row),
    defaultReplicas: row.default_replicas,
    createdAt: row.created_at,
    suspended:
      row.suspended_at === null || row.suspended_reason === null
        ? null
        : { reason: fromText(row.suspended_reason), since: row.suspended_at },
    removingSince: row.removing_at,
  }
}

function limitsOf(row: OrgRow): OrgLimits {
  return { maxPins: row.max_pins, maxBytes: row.max_bytes, maxReplicas: row.max_replicas }
}

/** The sums over the pins of an org `o`. `bytes` includes what has arrived so far of contents under way. */
export interface UsageRow {
  pins: Partial<Record<PinStatus, number>> | null
  bytes: number | null
}

export const usageColumns = `
  (select json_object_agg(s, c.n) from unnest(array['queued', 'pinning', 'pinned', 'failed']) s
   cross join lateral (
     select coalesce(sum(n), 0) as n from pin_counts where org_id = o.id and status = s and level = 1) c) as pins,
  (select u.bytes + u.reserved from org_usage u where u.org_id = o.id) as bytes`

export function usageOf(row: UsageRow): Usage {
  return {
    pins: { queued: 0, pinning: 0, pinned: 0, failed: 0, ...row.pins },
    bytes: row.bytes ?? 0,
  }
}

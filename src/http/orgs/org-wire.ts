/** Converts orgs to JSON, both for HTTP and for `--json`. */
import type { Member as CoreMember, Org as CoreOrg, Usage as CoreUsage } from '../../core/org.ts'
import type { ListedOrg as CoreListedOrg, OrgChange as CoreOrgChange } from '../../core/orgs.ts'
import type { ListedOrg, Member, Org, OrgChange, Usage } from './schema.ts'

export function orgWire(org: CoreOrg): Org {
  const { id, slug, limits, defaultReplicas, createdAt, suspended, removingSince } = org
  const { maxPins, maxBytes, maxReplicas } = limits
  return {
    id,
    slug,
    limits: { maxPins, maxBytes, maxReplicas },
    defaultReplicas,
    createdAt: createdAt.toISOString(),
    suspended: suspended && { reason: suspended.reason, since: suspended.since.toISOString() },
    removingSince: removingSince?.toISOString() ?? null,
  }
}

export function usageWire({ pins, bytes }: CoreUsage): Usage {
  return { pins, bytes }
}

export function listedOrgWire({ org, usage, role }: CoreListedOrg): ListedOrg {
  return { ...orgWire(org), usage: usageWire(usage), role }
}

export function memberWire({ userId, name, email, role, source, since }: CoreMember): Member {
  return { id: userId, name, email, role, source, since: since.toISOString() }
}

/** The change that a validated body asks for. */
export function orgChange({ maxPins, maxBytes, maxReplicas, defaultReplicas }: OrgChange): CoreOrgChange {
  return {
    ...(maxPins !== undefined && { maxPins }),
    ...(maxBytes !== undefined && { maxBytes }),
    ...(maxReplicas !== undefined && { maxReplicas }),
    ...(defaultReplicas !== undefined && { defaultReplicas }),
  }
}

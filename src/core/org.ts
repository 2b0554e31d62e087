import { AnchorageError } from './errors.ts'
import type { OrgId, SessionId, UserId } from './ids.ts'
import type { PinStatus } from './pin.ts'
import type { Scope } from './token.ts'

/** What a member is in an org, the least first. */
export const roles = ['viewer', 'member', 'admin', 'owner'] as const
export type Role = (typeof roles)[number]

const scopesByRole: Record<Role, readonly Scope[]> = {
  viewer: ['pins:read'],
  member: ['pins:read', 'pins:write', 'pins:delete', 'tokens:manage'],
  admin: ['pins:read', 'pins:write', 'pins:delete', 'tokens:manage', 'org:admin'],
  owner: ['pins:read', 'pins:write', 'pins:delete', 'tokens:manage', 'org:admin'],
}

/** What a role allows in its org. Beyond these only an owner makes, changes or removes an owner. */
export function scopesOf(role: Role): ReadonlySet<Scope> {
  return new Set(scopesByRole[role])
}

/** How much an org may have; null: as much as there is. */
export interface OrgLimits {
  maxPins: number | null
  /** Of the DAGs of its pins, each pin counted with all of its DAG once for each copy; of what is under way, what came so far. */
  maxBytes: number | null
  /** The most replicas that one of its pins may ask for. */
  maxReplicas: number | null
}

/** Beyond it no limit says anything. */
export const maxPinsOfOrg = 1_000_000_000_000

/** How an org is named: at most 63 letters, digits and inner hyphens, so that a name is never mistaken for an id. */
export const slugForm = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

export interface Org {
  id: OrgId
  slug: string
  limits: OrgLimits
  /** What its pins get that ask for no number; null: as many as is usual in the cluster. */
  defaultReplicas: number | null
  createdAt: Date
  /** Its requests are refused with the reason, and its work is put by; null: it is not. */
  suspended: { reason: string; since: Date } | null
  /** It is suspended for good: the leader removes what it has, and then the org. */
  removingSince: Date | null
}

/** What a request of a suspended org is told. */
export function refusedAsSuspended(reason: string): AnchorageError {
  return new AnchorageError('forbidden', `this org is suspended: ${reason}`)
}

/** What an org has, exact at one moment. */
export interface Usage {
  pins: Record<PinStatus, number>
  /** Of its pins, once for each copy: of those whose DAG's size is known that, of those under way what came so far. */
  bytes: number
}

/** A person, known by issuer + subject. */
export interface User {
  id: UserId
  issuer: string
  subject: string
  name: string | null
  email: string | null
  /** Has `cluster:admin`: by a group, at the last login. */
  operator: boolean
}

export interface Member {
  userId: UserId
  name: string | null
  email: string | null
  role: Role
  /** `login`: by a group of the identity provider, worked out anew at each login. `manual`: by somebody here. */
  source: 'login' | 'manual'
  since: Date
}

/** What a person is in an org; `suspended` is the reason when the org is. */
export interface Membership {
  orgId: OrgId
  slug: string
  role: Role
  suspended: string | null
}

/** One login of one person in one browser. */
export interface Session {
  id: SessionId
  user: User
  memberships: Membership[]
  createdAt: Date
  lastSeenAt: Date
  /** Over then, however busy it is. */
  expiresAt: Date
}

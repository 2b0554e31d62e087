import { AnchorageError } from './errors.ts'
import type { OrgId, SessionId, UserId } from './ids.ts'
import type { PinStatus } from './pin.ts'
import type { Scope } from './token.ts'

/** The roles of members, the least powerful first. */
export const roles = ['viewer', 'member', 'admin', 'owner'] as const
export type Role = (typeof roles)[number]

const scopesByRole: Record<Role, readonly Scope[]> = {
  viewer: ['pins:read'],
  member: ['pins:read', 'pins:write', 'pins:delete', 'tokens:manage'],
  admin: ['pins:read', 'pins:write', 'pins:delete', 'tokens:manage', 'org:admin'],
  owner: ['pins:read', 'pins:write', 'pins:delete', 'tokens:manage', 'org:admin'],
}

/** The scopes of a role in its org. Beyond these, only an owner makes, changes or removes an owner. */
export function scopesOf(role: Role): ReadonlySet<Scope> {
  return new Set(scopesByRole[role])
}

/** How much an org may have; null means no limit. */
export interface OrgLimits {
  maxPins: number | null
  /**
   * Bytes of the DAGs of its pins. Each pin counts its whole DAG once for each copy; a pin under way counts the bytes that have arrived.
   */
  maxBytes: number | null
  /** The most replicas that one pin may ask for. */
  maxReplicas: number | null
}

/** A higher limit would have no effect. */
export const maxPinsOfOrg = 1_000_000_000_000

/** The form of an org's name: at most 63 letters, digits and inner hyphens, so that a name is never mistaken for an id. */
export const slugForm = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

export interface Org {
  id: OrgId
  slug: string
  limits: OrgLimits
  /** The number of replicas for pins that ask for none; null means the cluster's default. */
  defaultReplicas: number | null
  createdAt: Date
  /** While set, requests are refused with the reason and the org's work is paused. */
  suspended: { reason: string; since: Date } | null
  /** When set, the org is suspended for good. The leader removes its data, and then the org itself. */
  removingSince: Date | null
}

/** The answer to a request of a suspended org. */
export function refusedAsSuspended(reason: string): AnchorageError {
  return new AnchorageError('forbidden', `this org is suspended: ${reason}`)
}

/** What an org uses, exact at one moment. */
export interface Usage {
  pins: Record<PinStatus, number>
  /** Bytes of its pins, once for each copy: the size of the DAG where it is known, and the bytes that have arrived for pins under way. */
  bytes: number
}

/** A person, known by issuer + subject. */
export interface User {
  id: UserId
  issuer: string
  subject: string
  name: string | null
  email: string | null
  /** Has `cluster:admin`, through a group at the last login. */
  operator: boolean
}

export interface Member {
  userId: UserId
  name: string | null
  email: string | null
  role: Role
  /** `login`: from a group of the identity provider, set again at each login. `manual`: set by a person here. */
  source: 'login' | 'manual'
  since: Date
}

/** A person's role in an org. `suspended` is the reason when the org is suspended. */
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
  /** The session ends then, even when it is in use. */
  expiresAt: Date
}

/** Who changes a member. */
export interface MemberActor {
  name: string
  /** May make, change and remove owners, as an owner or an operator. */
  owners: boolean
}

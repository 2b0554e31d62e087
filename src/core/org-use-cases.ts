import type { Member, Org, OrgLimits, Role, Usage } from './org.ts'
import type { AuditCursor, AuditEntry } from './ports.ts'
import type { Caller } from './token.ts'

/** Who asks: a caller over HTTP, or an operator at the command line, for whom the audit has another kind of name. */
export type Asker = Pick<Caller, 'orgId' | 'scopes'> & { by: string }

/** An org in a list. `role` is the role of the asking person; null when it is not a member. */
export interface ListedOrg {
  org: Org
  usage: Usage
  role: Role | null
}

/** Changes to an org. A field that is left out stays as it is; null removes a limit. */
export type OrgChange = Partial<OrgLimits> & { defaultReplicas?: number | null }

/**
 * What may be done with orgs and their members, over HTTP and by command alike. Orgs are given by TypeID or slug. An org that the asker
 * does not speak for is `not_found`, exactly as one that does not exist; `cluster:admin` speaks for every org. `forbidden` says which scope
 * or role is missing.
 */
export interface OrgUseCases {
  /**
   * In the order of slugs, after `after` ('': from the first). An operator sees all orgs, a person those it is a member of, a token its
   * own.
   */
  list(asker: Asker, query: { after: string; limit: number }): Promise<ListedOrg[]>
  /** Needs `cluster:admin`. `conflict` when the slug is taken. */
  create(asker: Asker, slug: string, change: OrgChange): Promise<Org>
  /** For callers that may read pins or administer the org. */
  get(asker: Asker, org: string): Promise<Org>
  /** Needs `cluster:admin`. What the org already has beyond a new limit stays. */
  set(asker: Asker, org: string, change: OrgChange): Promise<Org>
  /**
   * Needs `cluster:admin`, as the next two. From now on the org's tokens and sessions are refused with the reason, on every node within two
   * seconds. Its waiting work is paused. Its pinned content stays, and counts. Repeating it replaces the reason. `conflict` while the org
   * is being removed.
   */
  suspend(asker: Asker, org: string, reason: string): Promise<Org>
  /** The org is served again. Repeating it changes nothing. `conflict` while the org is being removed. */
  resume(asker: Asker, org: string): Promise<Org>
  /**
   * Begins to remove the org with its pins, tokens and members, for good. The org is suspended at once, and the leader releases the content
   * that no other org wants. After that the org is `not_found`. Its audit stays. `invalid` unless `confirm` is its slug. Repeating it
   * changes nothing.
   */
  remove(asker: Asker, org: string, confirm: string): Promise<Org>
  usage(asker: Asker, org: string): Promise<Usage>
  members(asker: Asker, org: string): Promise<Member[]>
  /**
   * Needs `org:admin`, and the role of owner to make or change an owner; an operator makes the first one. A user is known after its first
   * login. `conflict` for the last owner.
   */
  setMember(asker: Asker, org: string, user: string, role: Role): Promise<Member>
  /** Same rules as `setMember`; in addition any member may leave. Tokens that the user made end with the membership. */
  removeMember(asker: Asker, org: string, user: string): Promise<void>
  /** Needs `org:admin`. Newest first. */
  audit(asker: Asker, org: string, query: { limit: number; before?: AuditCursor }): Promise<AuditEntry[]>
}

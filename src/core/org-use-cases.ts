import type { Member, Org, OrgLimits, Role, Usage } from './org.ts'
import type { AuditCursor, AuditEntry } from './ports.ts'
import type { Caller } from './token.ts'

/** Who asks: a caller, or an operator at the command line, whom the audit names otherwise. */
export type Asker = Pick<Caller, 'orgId' | 'scopes'> & { by: string }

/** An org as a list shows it; `role` is what the asking person is in it, if a member. */
export interface ListedOrg {
  org: Org
  usage: Usage
  role: Role | null
}

/** What changes about an org; what is left out stays, null lifts a limit. */
export type OrgChange = Partial<OrgLimits> & { defaultReplicas?: number | null }

/**
 * What may be done with orgs and their members, over HTTP and by command alike. Orgs are given by TypeID or slug. An org that the asker does
 * not speak for is `not_found`, exactly as one that does not exist; `cluster:admin` speaks for every org. `forbidden` says which scope or role
 * is missing.
 */
export interface OrgUseCases {
  /** In the order of slugs, after `after` ('' from the first): an operator's are all, a person's those it is a member of, a token's its own. */
  list(asker: Asker, query: { after: string; limit: number }): Promise<ListedOrg[]>
  /** Needs `cluster:admin`. `conflict` when the slug is taken. */
  create(asker: Asker, slug: string, change: OrgChange): Promise<Org>
  /** For whoever may read pins or administer. */
  get(asker: Asker, org: string): Promise<Org>
  /** Needs `cluster:admin`. What the org has beyond a new limit it keeps. */
  set(asker: Asker, org: string, change: OrgChange): Promise<Org>
  /**
   * Needs `cluster:admin`, as the next two. From now on its tokens and sessions are refused with the reason, on every node within two seconds;
   * what it waits for is put by; what is pinned stays, and counts. Repeating it replaces the reason. `conflict` while the org is being removed.
   */
  suspend(asker: Asker, org: string, reason: string): Promise<Org>
  /** The org is served again. Repeating it changes nothing. `conflict` while it is being removed. */
  resume(asker: Asker, org: string): Promise<Org>
  /**
   * Begins to remove the org with its pins, tokens and members, for good: it is suspended at once, the leader lets go of what nobody else wants,
   * and then it is `not_found`. Its audit stays. `invalid` unless `confirm` is its slug. Repeating it changes nothing.
   */
  remove(asker: Asker, org: string, confirm: string): Promise<Org>
  usage(asker: Asker, org: string): Promise<Usage>
  members(asker: Asker, org: string): Promise<Member[]>
  /**
   * Needs `org:admin`, and the role of owner for what concerns owners; an operator makes the first one. The user is known once it logged in.
   * `conflict` for the last owner.
   */
  setMember(asker: Asker, org: string, user: string, role: Role): Promise<Member>
  /** As `setMember`; and any member may leave. Tokens that the user made end with the membership. */
  removeMember(asker: Asker, org: string, user: string): Promise<void>
  /** Needs `org:admin`. Newest first. */
  audit(asker: Asker, org: string, query: { limit: number; before?: AuditCursor }): Promise<AuditEntry[]>
}

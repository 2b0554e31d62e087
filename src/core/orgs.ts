import type { AuditCursor, AuditEntry } from './audit.ts'
import { AnchorageError, isCode } from './errors.ts'
import { parseId, type OrgId, type UserId } from './ids.ts'
import { slugForm, type Org, type OrgLimits, type Role, type Usage, type Member } from './org.ts'
import type { Log, OrgStore, TenantStore } from './ports.ts'
import { maxReplicas } from './replicas.ts'
import { tellOfRevoked } from './tokens.ts'
import type { Scope, Revoked, Caller } from './token.ts'

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

export interface OrgParts {
  store: OrgStore
  tenants: Omit<TenantStore, 'users'>
  /** Tells the nodes which tokens ended. Without it they find out by themselves within seconds, so a failure is only logged. */
  announce: (revoked: Revoked) => Promise<void>
  /** The limits of a new org where the request sets none. */
  usual?: Partial<OrgLimits>
  log: Log
}

const readers: Scope[] = ['pins:read', 'org:admin']
const admins: Scope[] = ['org:admin']

/** Every change is committed in Postgres, with its audit, before any node hears of it. */
export function orgUseCases(parts: OrgParts): OrgUseCases {
  const { store, tenants, usual = {} } = parts
  const find = (asker: Asker, given: string, anyOf: Scope[]) => orgFor(tenants, asker, given, anyOf)
  return {
    list: (asker, query) => list(parts, asker, query),
    async create(asker, slug, change) {
      demandOperator(asker)
      const { defaultReplicas, ...limits } = demandSound(change)
      const more = defaultReplicas === undefined ? {} : { defaultReplicas }
      return await tenants.createOrg(slug, { limits: { ...usual, ...limits }, ...more }, asker.by)
    },
    get: (asker, given) => find(asker, given, readers),
    async set(asker, given, change) {
      const org = await find(asker, given, readers)
      demandOperator(asker)
      demandSound({ maxReplicas: org.limits.maxReplicas, defaultReplicas: org.defaultReplicas, ...change })
      return await tenants.setOrg(org.id, change, asker.by)
    },
    ...ofStopping(parts),
    usage: async (asker, given) => await store.usage((await find(asker, given, readers)).id),
    members: async (asker, given) => await store.members((await find(asker, given, readers)).id),
    async setMember(asker, given, user, role) {
      const { id } = await find(asker, given, admins)
      const userId = userIdOf(user)
      const by = { actor: asker.by, owners: await mayTouchOwners(store, asker, id) }
      await tellOfRevoked(parts, await store.setMember(id, userId, role, by))
      const member = (await store.members(id)).find((each) => each.userId === userId)
      if (member === undefined) throw noMember()
      return member
    },
    async removeMember(asker, given, user) {
      const leaves = asker.by === user
      const { id } = await find(asker, given, leaves ? readers : admins)
      const userId = userIdOf(user)
      const by = { actor: asker.by, owners: leaves || (await mayTouchOwners(store, asker, id)) }
      await tellOfRevoked(parts, await store.removeMember(id, userId, by))
    },
    audit: async (asker, given, query) => await store.audit((await find(asker, given, admins)).id, query),
  }
}

/** The use cases with which an operator stops an org. */
function ofStopping({ tenants, log }: OrgParts): Pick<OrgUseCases, 'suspend' | 'resume' | 'remove'> {
  const find = async (asker: Asker, given: string): Promise<Org> => {
    const org = await orgFor(tenants, asker, given, readers)
    demandOperator(asker)
    return org
  }
  const told = (org: Org, by: string, what: string): Org => {
    log.info({ orgId: org.id, by }, `the org ${org.slug} ${what}`)
    return org
  }
  return {
    async suspend(asker, given, reason) {
      if (reason.trim() === '') throw new AnchorageError('invalid', 'a suspension needs a reason')
      const { id } = await find(asker, given)
      return told(await tenants.suspendOrg(id, reason, asker.by), asker.by, `is suspended: ${reason}`)
    },
    async resume(asker, given) {
      const { id } = await find(asker, given)
      return told(await tenants.resumeOrg(id, asker.by), asker.by, 'is resumed')
    },
    async remove(asker, given, confirm) {
      const { id, slug } = await find(asker, given)
      if (confirm !== slug)
        throw new AnchorageError('invalid', `confirm: must be the slug of the org, ${slug}`)
      return told(await tenants.removeOrg(id, asker.by), asker.by, 'is being removed')
    },
  }
}

async function list(
  { store, tenants }: Pick<OrgParts, 'store' | 'tenants'>,
  asker: Asker,
  { after, limit }: { after: string; limit: number },
): Promise<ListedOrg[]> {
  const page = (orgs: ListedOrg[]) =>
    orgs
      .filter(({ org }) => org.slug > after)
      .toSorted((a, b) => (a.org.slug < b.org.slug ? -1 : 1))
      .slice(0, limit)
  const person = personOf(asker)
  if (isOperator(asker)) {
    const orgs = await tenants.orgs(after, limit)
    const own = person === null ? [] : await tenants.orgsOf(person)
    const roles = new Map(own.map(({ id, role }) => [id, role]))
    return orgs.map(({ usage, ...org }) => ({ org, usage, role: roles.get(org.id) ?? null }))
  }
  if (person !== null) {
    const own = await tenants.orgsOf(person)
    return page(own.map(({ usage, role, ...org }) => ({ org, usage, role })))
  }
  if (asker.orgId === null) return []
  demandScope(asker, readers)
  const [org, usage] = await Promise.all([store.org(asker.orgId), store.usage(asker.orgId)])
  return page([{ org, usage, role: null }])
}

/** The requested org, if the asker speaks for it with one of `anyOf`. Otherwise the error does not reveal whether the org exists. */
async function orgFor(
  tenants: Pick<TenantStore, 'findOrg'>,
  asker: Asker,
  given: string,
  anyOf: Scope[],
): Promise<Org> {
  const org = isName(given) ? await tenants.findOrg(given).catch(noneIfNotFound) : null
  if (org === null || (org.id !== asker.orgId && !isOperator(asker)))
    throw new AnchorageError('not_found', 'there is no org with this name')
  demandScope(asker, anyOf)
  return org
}

/** A path may contain any text. The store is asked only about text that can be a name. */
function isName(text: string): boolean {
  return slugForm.test(text) || /^org_[0-9a-z]{26}$/.test(text)
}

function noneIfNotFound(error: unknown): null {
  if (isCode(error, 'not_found')) return null
  throw error
}

function demandScope(asker: Asker, anyOf: Scope[]): void {
  if (isOperator(asker) || anyOf.some((scope) => asker.scopes.has(scope))) return
  throw new AnchorageError('forbidden', `this needs the scope ${anyOf.join(' or ')} in this org`)
}

/** True for an operator and for an owner in person. False for a token, which has no role. */
async function mayTouchOwners(store: OrgStore, asker: Asker, orgId: OrgId): Promise<boolean> {
  if (isOperator(asker)) return true
  const person = personOf(asker)
  if (person === null) return false
  const members = await store.members(orgId)
  return members.some(({ userId, role }) => userId === person && role === 'owner')
}

function isOperator({ scopes }: Asker): boolean {
  return scopes.has('cluster:admin')
}

function demandOperator(asker: Asker): void {
  if (!isOperator(asker)) throw new AnchorageError('forbidden', 'this needs the scope cluster:admin')
}

/** Otherwise pins that ask for no number would be refused for a number that they never asked for. */
function demandSound(change: OrgChange): OrgChange {
  const most = change.maxReplicas ?? maxReplicas
  if ((change.defaultReplicas ?? 0) > most) {
    const message =
      `defaultReplicas: it is ${change.defaultReplicas}, but pins of this org may have at most ${most} ` +
      'copies'
    throw new AnchorageError('invalid', message)
  }
  return change
}

function personOf({ by }: Asker): UserId | null {
  return by.startsWith('usr_') ? parseId('usr', by) : null
}

/** An id that cannot be parsed is reported as "not found". */
function userIdOf(text: string): UserId {
  try {
    return parseId('usr', text)
  } catch (cause) {
    if (!isCode(cause, 'invalid')) throw cause
    throw noMember(cause)
  }
}

function noMember(cause?: unknown): AnchorageError {
  return new AnchorageError('not_found', 'there is no such user', { cause })
}

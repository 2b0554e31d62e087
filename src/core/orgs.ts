import type { AuditCursor, AuditEntry } from './audit.ts'
import { AnchorageError, isCode } from './errors.ts'
import { idOrNotFound, parseId, type OrgId, type UserId } from './ids.ts'
import { slugForm, type Org, type OrgLimits, type Role, type Usage, type Member } from './org.ts'
import type { Log, OrgStore, OrgDirectory } from './ports.ts'
import { maxReplicas } from './replicas.ts'
import { announceRevoked } from './tokens.ts'
import type { Scope, Revoked, Principal } from './token.ts'

const noUser = 'there is no such user'

/** A principal of a request, or an operator at the command line, for whom the audit has another kind of name. */
export type AnyPrincipal = Pick<Principal, 'orgId' | 'scopes'> & { actor: string }

/** An org in a list. `role` is the role of the asking person; null when it is not a member. */
export interface ListedOrg {
  org: Org
  usage: Usage
  role: Role | null
}

/** Changes to an org. A field that is left out stays as it is; null removes a limit. */
export type OrgChange = Partial<OrgLimits> & { defaultReplicas?: number | null }

/**
 * What may be done with orgs and their members, over HTTP and by command alike. Orgs are given by TypeID or slug. An org that the principal
 * does not speak for is `not_found`, exactly as one that does not exist; `cluster:admin` speaks for every org. `forbidden` says which scope
 * or role is missing.
 */
export interface OrgUseCases {
  /**
   * In the order of slugs, after `after` ('': from the first). An operator sees all orgs, a person those it is a member of, a token its
   * own.
   */
  list(principal: AnyPrincipal, query: { after: string; limit: number }): Promise<ListedOrg[]>
  /** Needs `cluster:admin`. `conflict` when the slug is taken. */
  create(principal: AnyPrincipal, slug: string, change: OrgChange): Promise<Org>
  /** For principals that may read pins or administer the org. */
  get(principal: AnyPrincipal, org: string): Promise<Org>
  /** Needs `cluster:admin`. What the org already has beyond a new limit stays. */
  set(principal: AnyPrincipal, org: string, change: OrgChange): Promise<Org>
  /**
   * Needs `cluster:admin`, as the next two. From now on the org's tokens and sessions are refused with the reason, on every node within two
   * seconds. Its waiting work is paused. Its pinned content stays, and counts. Repeating it replaces the reason. `conflict` while the org
   * is being removed.
   */
  suspend(principal: AnyPrincipal, org: string, reason: string): Promise<Org>
  /** The org is served again. Repeating it changes nothing. `conflict` while the org is being removed. */
  resume(principal: AnyPrincipal, org: string): Promise<Org>
  /**
   * Begins to remove the org with its pins, tokens and members, for good. The org is suspended at once, and the leader releases the content
   * that no other org wants. After that the org is `not_found`. Its audit stays. `invalid` unless `confirm` is its slug. Repeating it
   * changes nothing.
   */
  remove(principal: AnyPrincipal, org: string, confirm: string): Promise<Org>
  usage(principal: AnyPrincipal, org: string): Promise<Usage>
  members(principal: AnyPrincipal, org: string): Promise<Member[]>
  /**
   * Needs `org:admin`, and the role of owner to make or change an owner; an operator makes the first one. A user is known after its first
   * login. `conflict` for the last owner.
   */
  setMember(principal: AnyPrincipal, org: string, user: string, role: Role): Promise<Member>
  /** Same rules as `setMember`; in addition any member may leave. Tokens that the user made end with the membership. */
  removeMember(principal: AnyPrincipal, org: string, user: string): Promise<void>
  /** Needs `org:admin`. Newest first. */
  audit(
    principal: AnyPrincipal,
    org: string,
    query: { limit: number; before?: AuditCursor },
  ): Promise<AuditEntry[]>
}

export interface OrgParts {
  store: OrgStore
  directory: Omit<OrgDirectory, 'users'>
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
  const { store, directory, usual = {} } = parts
  const find = (principal: AnyPrincipal, given: string, anyOf: Scope[]) =>
    orgFor(directory, principal, given, anyOf)
  return {
    list: (principal, query) => list(parts, principal, query),
    async create(principal, slug, change) {
      demandOperator(principal)
      const { defaultReplicas, ...limits } = demandSound(change)
      const more = defaultReplicas === undefined ? {} : { defaultReplicas }
      return await directory.createOrg(slug, { limits: { ...usual, ...limits }, ...more }, principal.actor)
    },
    get: (principal, given) => find(principal, given, readers),
    async set(principal, given, change) {
      const org = await find(principal, given, readers)
      demandOperator(principal)
      demandSound({ maxReplicas: org.limits.maxReplicas, defaultReplicas: org.defaultReplicas, ...change })
      return await directory.setOrg(org.id, change, principal.actor)
    },
    ...ofStopping(parts),
    usage: async (principal, given) => await store.usage((await find(principal, given, readers)).id),
    members: async (principal, given) => await store.members((await find(principal, given, readers)).id),
    async setMember(principal, given, user, role) {
      const { id } = await find(principal, given, admins)
      const userId = idOrNotFound('usr', user, noUser)
      const actor = { name: principal.actor, owners: await mayTouchOwners(store, principal, id) }
      await announceRevoked(parts, await store.setMember(id, userId, role, actor))
      const member = (await store.members(id)).find((each) => each.userId === userId)
      if (member === undefined) throw new AnchorageError('not_found', noUser)
      return member
    },
    async removeMember(principal, given, user) {
      const leaves = principal.actor === user
      const { id } = await find(principal, given, leaves ? readers : admins)
      const userId = idOrNotFound('usr', user, noUser)
      const actor = { name: principal.actor, owners: leaves || (await mayTouchOwners(store, principal, id)) }
      await announceRevoked(parts, await store.removeMember(id, userId, actor))
    },
    audit: async (principal, given, query) =>
      await store.audit((await find(principal, given, admins)).id, query),
  }
}

/** The use cases with which an operator stops an org. */
function ofStopping({ directory, log }: OrgParts): Pick<OrgUseCases, 'suspend' | 'resume' | 'remove'> {
  const find = async (principal: AnyPrincipal, given: string): Promise<Org> => {
    const org = await orgFor(directory, principal, given, readers)
    demandOperator(principal)
    return org
  }
  const logged = (org: Org, actor: string, what: string): Org => {
    log.info({ orgId: org.id, actor }, `the org ${org.slug} ${what}`)
    return org
  }
  return {
    async suspend(principal, given, reason) {
      if (reason.trim() === '') throw new AnchorageError('invalid', 'a suspension needs a reason')
      const { id } = await find(principal, given)
      return logged(
        await directory.suspendOrg(id, reason, principal.actor),
        principal.actor,
        `is suspended: ${reason}`,
      )
    },
    async resume(principal, given) {
      const { id } = await find(principal, given)
      return logged(await directory.resumeOrg(id, principal.actor), principal.actor, 'is resumed')
    },
    async remove(principal, given, confirm) {
      const { id, slug } = await find(principal, given)
      if (confirm !== slug)
        throw new AnchorageError('invalid', `confirm: must be the slug of the org, ${slug}`)
      return logged(await directory.removeOrg(id, principal.actor), principal.actor, 'is being removed')
    },
  }
}

async function list(
  { store, directory }: Pick<OrgParts, 'store' | 'directory'>,
  principal: AnyPrincipal,
  { after, limit }: { after: string; limit: number },
): Promise<ListedOrg[]> {
  const page = (orgs: ListedOrg[]) =>
    orgs
      .filter(({ org }) => org.slug > after)
      .toSorted((a, b) => (a.org.slug < b.org.slug ? -1 : 1))
      .slice(0, limit)
  const person = personOf(principal)
  if (isOperator(principal)) {
    const orgs = await directory.orgs(after, limit)
    const own = person === null ? [] : await directory.orgsOf(person)
    const roles = new Map(own.map(({ id, role }) => [id, role]))
    return orgs.map(({ usage, ...org }) => ({ org, usage, role: roles.get(org.id) ?? null }))
  }
  if (person !== null) {
    const own = await directory.orgsOf(person)
    return page(own.map(({ usage, role, ...org }) => ({ org, usage, role })))
  }
  if (principal.orgId === null) return []
  demandScope(principal, readers)
  const [org, usage] = await Promise.all([store.org(principal.orgId), store.usage(principal.orgId)])
  return page([{ org, usage, role: null }])
}

/** The requested org, if the principal speaks for it with one of `anyOf`. Otherwise the error does not reveal whether the org exists. */
async function orgFor(
  directory: Pick<OrgDirectory, 'findOrg'>,
  principal: AnyPrincipal,
  given: string,
  anyOf: Scope[],
): Promise<Org> {
  const org = isName(given) ? await directory.findOrg(given).catch(noneIfNotFound) : null
  if (org === null || (org.id !== principal.orgId && !isOperator(principal)))
    throw new AnchorageError('not_found', 'there is no org with this name')
  demandScope(principal, anyOf)
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

function demandScope(principal: AnyPrincipal, anyOf: Scope[]): void {
  if (isOperator(principal) || anyOf.some((scope) => principal.scopes.has(scope))) return
  throw new AnchorageError('forbidden', `this needs the scope ${anyOf.join(' or ')} in this org`)
}

/** True for an operator and for an owner in person. False for a token, which has no role. */
async function mayTouchOwners(store: OrgStore, principal: AnyPrincipal, orgId: OrgId): Promise<boolean> {
  if (isOperator(principal)) return true
  const person = personOf(principal)
  if (person === null) return false
  const members = await store.members(orgId)
  return members.some(({ userId, role }) => userId === person && role === 'owner')
}

function isOperator({ scopes }: AnyPrincipal): boolean {
  return scopes.has('cluster:admin')
}

function demandOperator(principal: AnyPrincipal): void {
  if (!isOperator(principal)) throw new AnchorageError('forbidden', 'this needs the scope cluster:admin')
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

function personOf({ actor }: AnyPrincipal): UserId | null {
  return actor.startsWith('usr_') ? parseId('usr', actor) : null
}

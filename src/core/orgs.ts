import { AnchorageError, isCode } from './errors.ts'
import { parseId, type OrgId, type UserId } from './ids.ts'
import { slugForm, type Org, type OrgLimits } from './org.ts'
import type { Asker, ListedOrg, OrgChange, OrgUseCases } from './org-use-cases.ts'
import type { Log, OrgStore, Revoked, TenantStore } from './ports.ts'
import { maxReplicas } from './replicas.ts'
import { tellOfRevoked } from './tokens.ts'
import type { Scope } from './token.ts'

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
    throw new AnchorageError('not_found', 'there is no org of this name')
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
    const message = `pins that say nothing cannot get ${change.defaultReplicas} copies when at most ${most} are allowed`
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

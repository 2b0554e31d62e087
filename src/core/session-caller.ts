import { AnchorageError } from './errors.ts'
import { refusedAsSuspended, scopesOf, type Session } from './org.ts'
import type { Caller, Scope } from './token.ts'

/** Which org a request by cookie says that it is about, each by TypeID or slug. */
export interface NamedOrg {
  /** By its path: the request is about this org, whatever else it says. */
  path: string | undefined
  /** By its header. */
  header: string | undefined
}

/**
 * Who a person is in the org that the request names, or else in the only one it is a member of. An org that it is no member of does not
 * exist (`not_found`), but that a path may name any org to an operator, who has no more than `cluster:admin` there. In a suspended org nobody
 * may anything, whatever the role.
 */
export function callerOfSession(session: Session, named: NamedOrg): Caller {
  const { user, memberships } = session
  const asked = named.path ?? named.header
  const membership =
    asked === undefined
      ? memberships.length === 1
        ? memberships[0]
        : undefined
      : memberships.find(({ orgId, slug }) => orgId === asked || slug === asked)
  if (asked !== undefined && membership === undefined && !(user.operator && named.path !== undefined))
    throw new AnchorageError('not_found', 'there is no org of this name')
  const works = membership !== undefined && membership.suspended === null
  const scopes = new Set<Scope>(works ? scopesOf(membership.role) : [])
  if (user.operator) scopes.add('cluster:admin')
  return { by: user.id, orgId: membership?.orgId ?? null, scopes, until: null }
}

/** Why a person may not do what `caller` may not. */
export function whyNot(session: Session, caller: Caller, anyOf: readonly Scope[]): AnchorageError {
  const suspended = session.memberships.find(({ orgId }) => orgId === caller.orgId)?.suspended ?? null
  if (suspended !== null) return refusedAsSuspended(suspended)
  if (caller.orgId !== null || anyOf.every((scope) => scope === 'cluster:admin'))
    return new AnchorageError(
      'forbidden',
      `this needs the scope ${anyOf.join(' or ')}, which your role does not give`,
    )
  if (session.memberships.length === 0)
    return new AnchorageError('forbidden', 'you are a member of no org; ask an admin of yours to add you')
  const slugs = session.memberships.map(({ slug }) => slug).join(', ')
  return new AnchorageError(
    'invalid',
    `you are a member of several orgs: name one in the header anchorage-org (${slugs})`,
  )
}

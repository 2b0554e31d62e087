import { AnchorageError } from '../core/errors.ts'
import { refusedAsSuspended, scopesOf, type Session } from '../core/org.ts'
import type { Principal, Scope } from '../core/token.ts'

/** The org that a request with a cookie is about, named by TypeID or slug. */
export interface NamedOrg {
  /** Named in the path, which takes precedence. */
  path: string | undefined
  /** Named in the header. */
  header: string | undefined
}

/**
 * The principal that a person is in the named org, or otherwise in the only org it is a member of. An org in which it is not a member is
 * `not_found`. Only in a path may an operator name any org, and there it has no more than `cluster:admin`. In a suspended org no role gives
 * any scope.
 */
export function principalOfSession(session: Session, named: NamedOrg): Principal {
  const { user, memberships } = session
  const asked = named.path ?? named.header
  const membership =
    asked === undefined
      ? memberships.length === 1
        ? memberships[0]
        : undefined
      : memberships.find(({ orgId, slug }) => orgId === asked || slug === asked)
  if (asked !== undefined && membership === undefined && !(user.operator && named.path !== undefined))
    throw new AnchorageError('not_found', 'there is no org with this name')
  const works = membership !== undefined && membership.suspended === null
  const scopes = new Set<Scope>(works ? scopesOf(membership.role) : [])
  if (user.operator) scopes.add('cluster:admin')
  return { actor: user.id, orgId: membership?.orgId ?? null, scopes, until: null }
}

/** The error for a person whose `principal` lacks a scope, with the reason. */
export function whyNot(session: Session, principal: Principal, anyOf: readonly Scope[]): AnchorageError {
  const suspended = session.memberships.find(({ orgId }) => orgId === principal.orgId)?.suspended ?? null
  if (suspended !== null) return refusedAsSuspended(suspended)
  if (principal.orgId !== null || anyOf.every((scope) => scope === 'cluster:admin'))
    return new AnchorageError(
      'forbidden',
      `this needs the scope ${anyOf.join(' or ')}, which your role does not have`,
    )
  if (session.memberships.length === 0)
    return new AnchorageError(
      'forbidden',
      'you are not a member of any org; ask an admin of your org to add you',
    )
  const slugs = session.memberships.map(({ slug }) => slug).join(', ')
  return new AnchorageError(
    'invalid',
    `you are a member of several orgs: name one in the header anchorage-org (${slugs})`,
  )
}

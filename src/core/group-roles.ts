import { AnchorageError } from './errors.ts'
import { roles as knownRoles, type Role } from './org.ts'

/** What one group of the identity provider gives to its members. */
export type GroupGrant = 'operator' | { slug: string; role: Role }

/** Which groups have a meaning here: those with the prefix, and those that the config names. */
export interface GroupRules {
  /** The prefix of `PREFIXoperators` and `PREFIXSLUG:ROLE`. */
  prefix: string
  named: ReadonlyMap<string, readonly GroupGrant[]>
}

/** What a person gets from its groups: in each org the greatest role. */
export interface GroupRights {
  operator: boolean
  roles: { slug: string; role: Role }[]
}

/** Parses `GROUP=SLUG:ROLE` and `GROUP=operator` from the config. A group may occur more than once. Throws `invalid`. */
export function groupRules(prefix: string, lines: readonly string[]): GroupRules {
  const named = new Map<string, GroupGrant[]>()
  for (const line of lines) {
    const [, group = '', gives = ''] = /^(.+)=([^=]*)$/.exec(line) ?? []
    const grant = gives === 'operator' ? gives : roleIn(gives)
    if (group === '' || grant === null) {
      const message = `${line}: expected GROUP=SLUG:ROLE or GROUP=operator; the roles are ${knownRoles.join(', ')}`
      throw new AnchorageError('invalid', message)
    }
    named.set(group, [...(named.get(group) ?? []), grant])
  }
  return { prefix, named }
}

/** Groups without a meaning here are ignored: providers list all groups of a person. */
export function rightsFromGroups(groups: readonly string[], rules: GroupRules): GroupRights {
  const grants = groups.flatMap((group) => [
    ...byPrefix(group, rules.prefix),
    ...(rules.named.get(group) ?? []),
  ])
  const greatest = new Map<string, Role>()
  for (const grant of grants) {
    if (grant === 'operator') continue
    const { slug, role } = grant
    const had = greatest.get(slug)
    if (had === undefined || knownRoles.indexOf(role) > knownRoles.indexOf(had)) greatest.set(slug, role)
  }
  return {
    operator: grants.includes('operator'),
    roles: [...greatest].map(([slug, role]) => ({ slug, role })),
  }
}

function byPrefix(group: string, prefix: string): GroupGrant[] {
  if (!group.startsWith(prefix)) return []
  const rest = group.slice(prefix.length)
  if (rest === 'operators') return ['operator']
  const grant = roleIn(rest)
  return grant === null ? [] : [grant]
}

function roleIn(text: string): Exclude<GroupGrant, 'operator'> | null {
  const [, slug, named] = /^([a-z0-9-]{1,63}):(.+)$/.exec(text) ?? []
  const role = knownRoles.find((known) => known === named)
  return slug === undefined || role === undefined ? null : { slug, role }
}

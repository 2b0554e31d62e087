/** Orgs, members and tokens in memory, for tests of the code above the ports. Keeps the promises of the ports as far as one process can. */
import type { AuditEntry } from '../../src/core/audit.ts'
import { AnchorageError } from '../../src/core/errors.ts'
import { mintId, type OrgId, type TokenId, type UserId } from '../../src/core/ids.ts'
import { scopesOf, type Member, type Org, type Role, type Usage, type User } from '../../src/core/org.ts'
import { orgUseCases, type OrgUseCases } from '../../src/core/orgs.ts'
import type { Log, OrgStore, OrgDirectory } from '../../src/core/ports.ts'
import type { Revoked, TokenView } from '../../src/core/token.ts'
import { tokenUseCases, type TokenUseCases } from '../../src/core/tokens.ts'

const noUsage: Usage = { pins: { queued: 0, pinning: 0, pinned: 0, failed: 0 }, bytes: 0 }

export interface FakeOrgs {
  store: OrgStore
  directory: OrgDirectory
  /** The use cases over these stores. */
  orgs: OrgUseCases
  tokens: TokenUseCases
  kept: { orgs: Org[]; members: Map<OrgId, Member[]>; tokens: TokenView[]; entries: AuditEntry[] }
  /** The revocations that were announced. While `deaf` is true, announcing fails. */
  announced: Revoked[]
  deaf: boolean
  newOrg(slug: string): Org
  newMember(orgId: OrgId, role: Role): UserId
}

export function fakeOrgs({ log, nowMs = () => Date.now() }: { log: Log; nowMs?: () => number }): FakeOrgs {
  const kept: FakeOrgs['kept'] = { orgs: [], members: new Map(), tokens: [], entries: [] }
  const announced: Revoked[] = []
  const store = orgStore(kept)
  const directory = orgDirectory(kept)
  const announce = async (revoked: Revoked): Promise<void> => {
    if (fake.deaf) throw new AnchorageError('unavailable', 'NATS is away')
    announced.push(revoked)
  }
  const fake: FakeOrgs = {
    store,
    directory,
    kept,
    announced,
    deaf: false,
    orgs: orgUseCases({ store, directory, announce, log }),
    tokens: tokenUseCases({ store, announce, log, clock: { now: nowMs }, mint: minting(kept, nowMs) }),
    newOrg(slug) {
      const limits = { maxPins: null, maxBytes: null, maxReplicas: null }
      const org: Org = {
        id: mintId('org'),
        slug,
        limits,
        defaultReplicas: null,
        createdAt: new Date(nowMs()),
        suspended: null,
        removingSince: null,
      }
      kept.orgs.push(org)
      return org
    },
    newMember(orgId, role) {
      const userId = mintId('usr')
      const members = kept.members.get(orgId) ?? []
      kept.members.set(orgId, [...members, newMember(userId, role, 'login')])
      return userId
    },
  }
  return fake
}

function minting(kept: FakeOrgs['kept'], nowMs: () => number): Parameters<typeof tokenUseCases>[0]['mint'] {
  return async ({ orgId, name, scopes, ttlMs, createdBy }) => {
    const id = mintId('tok')
    const expiresAt = new Date(Math.floor((nowMs() + ttlMs) / 1000) * 1000)
    const createdAt = new Date(nowMs())
    const since = { createdAt, lastUsedAt: null, revokedAt: null, endedBy: null }
    kept.tokens.unshift({ id, orgId, name, scopes: [...scopes], expiresAt, createdBy, ...since })
    return { token: `secret-of-${id}`, id, createdAt, expiresAt }
  }
}

function orgStore(kept: FakeOrgs['kept']): OrgStore {
  const membersOf = (orgId: OrgId): Member[] => kept.members.get(orgId) ?? []
  const revoke = (ids: TokenId[]): Revoked => {
    for (const token of kept.tokens) {
      if (token.createdBy !== null && ids.some((id) => id === token.createdBy)) ids.push(token.id)
      if (!ids.includes(token.id)) continue
      token.revokedAt ??= new Date()
      token.endedBy = 'revoked'
    }
    return { tokens: ids, version: 1 }
  }
  const change = (orgId: OrgId, userId: UserId, role: Role | null, owners: boolean): Revoked => {
    const members = membersOf(orgId)
    const was = members.find((each) => each.userId === userId)
    if (!owners && (role === 'owner' || was?.role === 'owner'))
      throw new AnchorageError('forbidden', 'this needs an owner of the org')
    if (
      was?.role === 'owner' &&
      role !== 'owner' &&
      members.filter((each) => each.role === 'owner').length === 1
    )
      throw new AnchorageError('conflict', 'the last owner stays')
    const others = members.filter((each) => each.userId !== userId)
    kept.members.set(orgId, role === null ? others : [...others, newMember(userId, role, 'manual')])
    const may = role === null ? null : scopesOf(role)
    const beyond = kept.tokens.filter(
      (token) =>
        token.orgId === orgId &&
        token.createdBy === userId &&
        !token.scopes.every((scope) => may?.has(scope)),
    )
    return revoke(beyond.map(({ id }) => id))
  }
  return {
    org: async (orgId) => found(kept.orgs.find(({ id }) => id === orgId)),
    usage: async () => noUsage,
    members: async (orgId) => membersOf(orgId),
    setMember: async (orgId, userId, role, actor) => change(orgId, userId, role, actor.owners),
    async removeMember(orgId, userId, actor) {
      found(membersOf(orgId).find((each) => each.userId === userId))
      return change(orgId, userId, null, actor.owners)
    },
    tokens: async (orgId, limit, createdBy) =>
      kept.tokens
        .filter((token) => token.orgId === orgId && token.createdBy === (createdBy ?? token.createdBy))
        .slice(0, limit),
    async revokeToken(orgId, id, _actor, createdBy) {
      const token = found(kept.tokens.find((each) => each.id === id && each.orgId === orgId))
      if (createdBy !== undefined && token.createdBy !== createdBy) found(undefined)
      return revoke([id])
    },
    audit: async (orgId, { limit }) => kept.entries.filter((entry) => entry.orgId === orgId).slice(0, limit),
  }
}

function orgDirectory(kept: FakeOrgs['kept']): OrgDirectory {
  const listed = () =>
    kept.orgs.toSorted((a, b) => (a.slug < b.slug ? -1 : 1)).map((org) => ({ ...org, usage: noUsage }))
  const stoppable = (orgId: OrgId): Org => {
    const org = found(kept.orgs.find(({ id }) => id === orgId))
    if (org.removingSince !== null) throw new AnchorageError('conflict', 'it is being removed')
    return org
  }
  return {
    findOrg: async (given) => found(kept.orgs.find(({ id, slug }) => id === given || slug === given)),
    orgs: async (after, limit) =>
      listed()
        .filter(({ slug }) => slug > after)
        .slice(0, limit),
    async createOrg(slug, { limits, defaultReplicas = null }) {
      if (kept.orgs.some((org) => org.slug === slug)) throw new AnchorageError('conflict', 'it is taken')
      const none = { maxPins: null, maxBytes: null, maxReplicas: null }
      const made = {
        id: mintId('org'),
        slug,
        limits: { ...none, ...limits },
        defaultReplicas,
        createdAt: new Date(),
        suspended: null,
        removingSince: null,
      }
      kept.orgs.push(made)
      return made
    },
    async setOrg(orgId, { defaultReplicas, ...limits }) {
      const org = found(kept.orgs.find(({ id }) => id === orgId))
      Object.assign(org.limits, limits)
      if (defaultReplicas !== undefined) org.defaultReplicas = defaultReplicas
      return org
    },
    suspendOrg: async (orgId, reason) =>
      Object.assign(stoppable(orgId), { suspended: { reason, since: new Date() } }),
    resumeOrg: async (orgId) => Object.assign(stoppable(orgId), { suspended: null }),
    async removeOrg(orgId) {
      const org = found(kept.orgs.find(({ id }) => id === orgId))
      org.suspended ??= { reason: 'it is being removed', since: new Date() }
      org.removingSince ??= new Date()
      return org
    },
    orgsOf: async (userId) =>
      listed().flatMap((org) => {
        const member = kept.members.get(org.id)?.find((each) => each.userId === userId)
        return member === undefined ? [] : [{ ...org, role: member.role }]
      }),
    users: async (): Promise<User[]> => [],
  }
}

function newMember(userId: UserId, role: Role, source: Member['source']): Member {
  return { userId, name: 'Ada', email: null, role, source, since: new Date() }
}

function found<T>(thing: T | undefined): T {
  if (thing === undefined) throw new AnchorageError('not_found', 'there is none')
  return thing
}

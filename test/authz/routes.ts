import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create } from 'multiformats/hashes/digest'
import type { WirePin } from '../../testing/clients/api.ts'

/** The principals of the table: people by their role in the org, and tokens by their scope. */
export const people = [
  'viewer',
  'member',
  'admin',
  'owner',
  'operator',
  'operator-viewer',
  'in-no-org',
] as const
export const scopes = [
  'pins:read',
  'pins:write',
  'pins:delete',
  'tokens:manage',
  'org:admin',
  'cluster:admin',
] as const
/** `all-but-cluster` is a token with every scope that an owner has. */
export const principals = [...people, ...scopes, 'all-but-cluster'] as const
export type PrincipalName = (typeof principals)[number]

/** The object that a path names. `stopped` is an org that is suspended already and has no members. */
export type Row = 'pin' | 'token' | 'org' | 'stopped' | 'member' | 'session' | 'node' | 'plan'

/** Who may do what at one route. A principal that is not named gets 403. */
export interface Route {
  /** The principals that are allowed. */
  may: readonly PrincipalName[]
  /** The status that they get. */
  ok: number
  row?: Row
  body?: (made: number, names: Record<string, string>) => unknown
  /** The principals that get the same status for another org's row. */
  everywhere?: readonly PrincipalName[]
  /** The principals that may do it to another person's row in the same org; others get 404. */
  others?: readonly PrincipalName[]
  /** The principals that get 404 for the org's own row, because they cannot see the org. */
  unseen?: readonly PrincipalName[]
  /** The action in the audit; when not set, none. */
  audit?: string
}

const readers: PrincipalName[] = [
  'viewer',
  'member',
  'admin',
  'owner',
  'operator-viewer',
  'pins:read',
  'all-but-cluster',
]
const writers: PrincipalName[] = ['member', 'admin', 'owner', 'pins:write', 'all-but-cluster']
const removers: PrincipalName[] = ['member', 'admin', 'owner', 'pins:delete', 'all-but-cluster']
const makers: PrincipalName[] = ['member', 'admin', 'owner', 'tokens:manage', 'all-but-cluster']
const operators: PrincipalName[] = ['operator', 'operator-viewer', 'cluster:admin']
const admins: PrincipalName[] = ['admin', 'owner', 'org:admin', 'all-but-cluster']
const persons: PrincipalName[] = [...people]

const all = (...groups: PrincipalName[][]): PrincipalName[] => [...new Set(groups.flat())]
const seesOrg = all(readers, ['org:admin'], operators)
const rulesOrg = all(admins, operators)
/** A principal without an org cannot see any. */
const unseen: PrincipalName[] = ['in-no-org']

/** Content that no peer has, so that its pins stay queued. */
function cidOf(made: number): string {
  const digest = create(0x12, createHash('sha256').update(`the matrix ${made}`).digest())
  return CID.createV1(raw.code, digest).toString()
}

const pin = (made: number): WirePin => ({ cid: cidOf(made), name: `pin ${made}` })
const ofOrg = { row: 'org', everywhere: operators, unseen } as const
const ofStopped = {
  row: 'stopped',
  unseen: people.filter((name) => !operators.includes(name)),
} as const
const ofMember = { row: 'member', everywhere: operators, unseen } as const

/** Every route of the OpenAPI document that needs credentials. */
export const routes: Record<string, Route> = {
  'GET /v1/pins': { may: readers, ok: 200 },
  'POST /v1/pins': { may: writers, ok: 202, body: pin, audit: 'pin.create' },
  'GET /v1/pins/{requestid}': { may: readers, ok: 200, row: 'pin' },
  'POST /v1/pins/{requestid}': { may: writers, ok: 202, row: 'pin', body: pin, audit: 'pin.replace' },
  'DELETE /v1/pins/{requestid}': { may: removers, ok: 202, row: 'pin', audit: 'pin.delete' },

  'GET /v1/tokens': { may: makers, ok: 200 },
  'POST /v1/tokens': {
    may: makers,
    ok: 201,
    body: (made) => ({ name: `token ${made}`, scopes: ['tokens:manage'], ttlSeconds: 60 }),
    audit: 'token.create',
  },
  'DELETE /v1/tokens/{id}': {
    may: makers,
    ok: 204,
    row: 'token',
    others: ['admin', 'owner', 'all-but-cluster'],
    audit: 'token.revoke',
  },

  'GET /v1/orgs': { may: all(persons, readers, ['org:admin', 'cluster:admin']), ok: 200 },
  'POST /v1/orgs': {
    may: operators,
    ok: 201,
    body: (made) => ({ slug: `made-${made}` }),
    audit: 'org.create',
  },
  'GET /v1/orgs/{org}': { may: seesOrg, ok: 200, ...ofOrg },
  'PUT /v1/orgs/{org}/limits': {
    may: operators,
    ok: 200,
    ...ofOrg,
    body: (made) => ({ maxPins: 100_000 + made }),
    audit: 'org.set',
  },
  'GET /v1/orgs/{org}/usage': { may: seesOrg, ok: 200, ...ofOrg },
  'GET /v1/orgs/{org}/members': { may: seesOrg, ok: 200, ...ofOrg },
  'GET /v1/orgs/{org}/audit': { may: rulesOrg, ok: 200, ...ofOrg },
  'PUT /v1/orgs/{org}/members/{user}': {
    may: rulesOrg,
    ok: 200,
    ...ofMember,
    body: () => ({ role: 'member' }),
    audit: 'member.set',
  },
  'DELETE /v1/orgs/{org}/members/{user}': { may: rulesOrg, ok: 204, ...ofMember, audit: 'member.remove' },

  'GET /v1/auth/session': { may: persons, ok: 200 },
  'GET /v1/auth/sessions': { may: persons, ok: 200 },
  'DELETE /v1/auth/sessions/{id}': {
    may: persons,
    ok: 204,
    row: 'session',
    others: [],
    audit: 'session.end',
  },

  'GET /v1/admin/nodes': { may: operators, ok: 200 },
  'GET /v1/admin/nodes/{id}': { may: operators, ok: 200, row: 'node' },
  'POST /v1/admin/nodes/{id}/drain': { may: operators, ok: 202, row: 'node', audit: 'node.drain' },
  'POST /v1/admin/nodes/{id}/uncordon': { may: operators, ok: 200, row: 'node', audit: 'node.uncordon' },
  'GET /v1/admin/maintenance': { may: operators, ok: 200 },
  'PUT /v1/admin/maintenance': {
    may: operators,
    ok: 200,
    body: () => ({ reason: 'the matrix', ttlSeconds: 60 }),
    audit: 'maintenance.on',
  },
  'DELETE /v1/admin/maintenance': { may: operators, ok: 200, audit: 'maintenance.off' },
  'GET /v1/admin/plans': { may: operators, ok: 200 },
  'POST /v1/admin/plans': { may: operators, ok: 201, audit: 'plan.create' },
  'GET /v1/admin/plans/{id}': { may: operators, ok: 200, row: 'plan' },
  'POST /v1/admin/plans/{id}/apply': { may: operators, ok: 200, row: 'plan', audit: 'plan.applying' },
  'POST /v1/admin/plans/{id}/pause': { may: operators, ok: 200, row: 'plan', audit: 'plan.paused' },
  'POST /v1/admin/plans/{id}/cancel': { may: operators, ok: 200, row: 'plan', audit: 'plan.cancelled' },
  'POST /v1/admin/orgs/{org}/suspend': {
    may: operators,
    ok: 200,
    ...ofStopped,
    body: (made) => ({ reason: `the matrix ${made}` }),
    audit: 'org.suspend',
  },
  'POST /v1/admin/orgs/{org}/resume': { may: operators, ok: 200, ...ofStopped, audit: 'org.resume' },
  'POST /v1/admin/orgs/{org}/remove': {
    may: operators,
    ok: 202,
    ...ofStopped,
    body: (_, { org }) => ({ confirm: org }),
    audit: 'org.remove',
  },
  'GET /v1/admin/status': { may: operators, ok: 200 },
  'GET /v1/admin/presences': { may: operators, ok: 200 },
  'GET /v1/admin/caches': { may: operators, ok: 200 },
  'GET /v1/admin/audit': { may: operators, ok: 200 },
}

/** Routes that need no credentials: every principal gets the same answer, with one of these statuses. */
export const openRoutes: Record<string, readonly number[]> = {
  'GET /v1/health': [200],
  'GET /v1/ready': [200],
  'GET /metrics': [200],
  'GET /v1/auth/login': [302, 503],
  'GET /v1/auth/callback': [401],
  'POST /v1/auth/backchannel-logout': [400, 415, 503],
}

/** Has a test of its own: it ends the session that asks, and it also succeeds without a session. */
export const signOut = 'POST /v1/auth/logout'

/** Paths that are not in the document and are the same for all principals: pages, and answers to clients with a wrong base URL. */
export const publicPages = /^\/(?:$|pages\/|v1\/docs|v1\/openapi\.json$|v1\/pins\/pins(?:$|\/))/

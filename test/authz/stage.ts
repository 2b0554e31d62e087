import { strict as assert } from 'node:assert'
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { idOf, mintId, type NodeId, type OrgId, type UserId } from '../../src/core/ids.ts'
import type { Move } from '../../src/core/plan.ts'
import { apiOf, type Api } from '../../testing/clients/api.ts'
import { mintingFor, type Minting } from '../minting.ts'
import { World } from '../../testing/world/world.ts'
import { Cast, issuer, type TestPrincipal, type Person } from './principals.ts'
import { scopes, type PrincipalName, type Row } from './routes.ts'

/** An org with one row of every kind. */
interface Org {
  id: OrgId
  slug: string
  owner: Person
  /** Its token has every scope of the org. */
  api: Api
  pin: string
  token: string
  /** A member that tests may remove. */
  extra: UserId
  /** Texts that principals of other orgs must never read. */
  marks: string[]
}

/** A node with two orgs, and all principals that ask for objects of the first. */
export interface Stage extends AsyncDisposable {
  world: World
  minting: Minting
  system: pg.Client
  cast: Cast
  /** The URL of the node, without a slash at the end. */
  url: string
  mine: Org
  theirs: Org
  principals: Map<PrincipalName, TestPrincipal>
  refused: TestPrincipal[]
  nodeId: NodeId
}

const everything = ['pins:read', 'pins:write', 'pins:delete', 'tokens:manage', 'org:admin']
/**
 * Refusals must be due to the principal, so the rate limits are off. No one logs in at the provider: sessions are made as a login leaves
 * them.
 */
const env = {
  ANCHORAGE_RATE_LIMITS_ANONYMOUS_PER_ADDRESS: '1000000',
  ANCHORAGE_RATE_LIMITS_ANONYMOUS: '1000000',
  ANCHORAGE_RATE_LIMITS_SIGN_IN_PER_ADDRESS: '1000000',
  ANCHORAGE_OIDC_ISSUER: 'http://127.0.0.1:9',
  ANCHORAGE_OIDC_CLIENT_ID: 'anchorage',
}

export async function stage(): Promise<Stage> {
  await using undo = new AsyncDisposableStack()
  const world = undo.use(await World.start({ nodes: 1, env }))
  const minting = undo.use(await mintingFor(world))
  const system = new pg.Client({ connectionString: await world.value('DATABASE_SYSTEM_URL') })
  // some tests stop Postgres
  system.on('error', () => {})
  await system.connect()
  undo.defer(() => system.end())
  const cast = new Cast(minting, system)
  const url = await world.value('NODE_URL_1')
  const mine = await org(minting, cast, url, 'mine')
  const theirs = await org(minting, cast, url, 'theirs')
  const { rows } = await system.query<{ id: string }>('select id from nodes')
  const principals = await principalsIn(cast, mine)
  const refused = await cast.refused(mine.id, mine.slug)
  const kept = undo.move()
  const nodeId = idOf('nod', rows[0]?.id ?? assert.fail('there is no node'))
  const parts = { world, minting, system, cast, url, mine, theirs, principals, refused, nodeId }
  return { ...parts, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

async function org({ store }: Minting, cast: Cast, url: string, slug: string): Promise<Org> {
  const { id } = await store.orgDirectory.createOrg(slug, {}, 'operator')
  const owner = await cast.person(`${slug}-owner`, [{ slug, role: 'owner' }])
  const extra = await cast.person(`${slug}-extra`, [{ slug, role: 'viewer' }])
  const { token, id: tokenId } = await cast.token(id, everything)
  const api = apiOf(`${url}/v1`, token)
  const pin = await api.post({
    cid: 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy',
    name: `${slug}-SECRET-name`,
    meta: { [`${slug}-SECRET-key`]: `${slug}-SECRET-value` },
    origins: [`/dns4/${slug}-secret.example/tcp/1/p2p/12D3KooWBXu3uGPMkjjxViK6autSnFH5QaKJgTwW8CaSxYSD6yYL`],
  })
  const marks = [id, owner.userId, extra.userId, owner.sessionId, tokenId, pin.requestid]
  marks.push(`${slug}-SECRET`, `${slug}-secret`, `${slug}-owner`, `${slug}-extra`)
  return { id, slug, owner, api, pin: pin.requestid, token: tokenId, extra: extra.userId, marks }
}

async function principalsIn(cast: Cast, { id, slug }: Org): Promise<Map<PrincipalName, TestPrincipal>> {
  const principals = new Map<PrincipalName, TestPrincipal>()
  for (const role of ['viewer', 'member', 'admin', 'owner'] as const)
    add(role, await cast.person(role, [{ slug, role }]))
  add('operator', await cast.person('operator', [], true))
  add('operator-viewer', await cast.person('operator-viewer', [{ slug, role: 'viewer' }], true))
  add('in-no-org', await cast.person('in-no-org', []))
  for (const scope of scopes) await addToken(scope, [scope])
  await addToken('all-but-cluster', everything)
  return principals

  function add(name: PrincipalName, { userId: actor, headers }: Person): void {
    principals.set(name, { name, actor, headers })
  }
  async function addToken(name: PrincipalName, may: string[]): Promise<void> {
    const { id: actor, token } = await cast.token(id, may)
    principals.set(name, { name, actor, headers: { authorization: `Bearer ${token}` } })
  }
}

/** The rows that a path may name: the principal's own, another person's in the same org, another org's, and one that does not exist. */
export interface Rows {
  own: () => Promise<Names>
  others: () => Promise<Names>
  foreign: () => Promise<Names>
  absent: Names
}

/** The parameters of a path. */
export type Names = Record<string, string>

/** Makes new rows at each call, because a request may remove them. */
export function rowsOf(
  { minting, cast, mine, theirs, nodeId, system }: Stage,
  principal: TestPrincipal,
): Record<Row, Rows> {
  const { store } = minting
  const none = async (): Promise<Names> => assert.fail('there is no such row')
  const brief = 60_000
  const tokenIn = async (orgId: OrgId, actor: TestPrincipal['actor']): Promise<Names> => {
    const { id } = await cast.token(orgId, ['tokens:manage'], actor, actor === null ? undefined : brief)
    return { id }
  }
  const ownToken = () => tokenIn(mine.id, principal.actor).catch(() => tokenIn(mine.id, null))
  const member = async ({ id, slug, extra: user }: Org): Promise<Names> => {
    await store.orgs.setMember(id, user, 'viewer', { name: 'operator', owners: false })
    return { org: slug, user }
  }
  const session = async (subject: string): Promise<Names> => {
    const roles = await rolesOf(subject)
    return { id: (await cast.person(subject, roles, subject.startsWith('operator'))).sessionId }
  }
  const rolesOf = async (subject: string) => {
    const { rows } = await system.query(
      `select o.slug, m.role from memberships m join orgs o on o.id = m.org_id join users u on u.id = m.user_id
       where u.issuer = $1 and u.subject = $2`,
      [issuer, subject],
    )
    return rows
  }
  const stopped = async (): Promise<Names> => {
    const { id, slug } = await store.orgDirectory.createOrg(`stopped-${randomUUID()}`, {}, 'operator')
    await store.orgDirectory.suspendOrg(id, 'the matrix', 'operator')
    return { org: slug }
  }
  const plan = async (): Promise<Names> => {
    const id = mintId('pln')
    await store.plans.savePlan({ id, actor: 'operator', summary: {} }, oneMove())
    return { id }
  }
  return {
    pin: {
      own: async () => ({ requestid: await freshPin(mine.api) }),
      others: none,
      foreign: async () => ({ requestid: theirs.pin }),
      absent: { requestid: mintId('pin') },
    },
    token: {
      own: ownToken,
      others: () => tokenIn(mine.id, null),
      foreign: () => tokenIn(theirs.id, null),
      absent: { id: mintId('tok') },
    },
    org: {
      own: async () => ({ org: Math.random() < 0.5 ? mine.id : mine.slug }),
      others: none,
      foreign: async () => ({ org: theirs.slug }),
      absent: { org: 'there-is-none' },
    },
    stopped: { own: stopped, others: none, foreign: none, absent: { org: 'there-is-none' } },
    member: {
      own: () => member(mine),
      others: none,
      foreign: () => member(theirs),
      absent: { org: 'there-is-none', user: theirs.extra },
    },
    session: {
      own: () => session(principal.actor?.startsWith('usr_') === true ? principal.name : 'viewer'),
      others: () => session(principal.name === 'viewer' ? 'owner' : 'viewer'),
      foreign: async () => ({ id: theirs.owner.sessionId }),
      absent: { id: mintId('ses') },
    },
    node: { own: async () => ({ id: nodeId }), others: none, foreign: none, absent: { id: mintId('nod') } },
    plan: { own: plan, others: none, foreign: none, absent: { id: mintId('pln') } },
  }
}

/** A plan without moves would be done as soon as it is made. */
async function* oneMove(): AsyncGenerator<Move[]> {
  yield [{ cid: 'nowhere', from: mintId('nod'), to: mintId('nod'), bytes: 1, reason: 'the matrix' }]
}

async function freshPin(api: Api): Promise<string> {
  const { requestid } = await api.post({ cid: 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy' })
  return requestid
}

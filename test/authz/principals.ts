import { strict as assert } from 'node:assert'
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { mintId, uuidOf, type OrgId, type SessionId, type TokenId, type UserId } from '../../src/core/ids.ts'
import type { Role } from '../../src/core/org.ts'
import type { Minting } from '../minting.ts'
import { scopes } from './routes.ts'

/** A principal and its credentials. */
export interface TestPrincipal {
  name: string
  headers: Record<string, string>
  /** The actor that the audit must name; null when the principal is not admitted. */
  actor: TokenId | UserId | null
}

/** A person with their own session, as a login would leave it. */
export interface Person {
  userId: UserId
  sessionId: SessionId
  cookie: string
  headers: Record<string, string>
}

export const issuer = 'https://login.example'

/** Makes people, valid tokens and broken ones, in one world. */
export class Cast {
  readonly #minting: Minting
  readonly #system: pg.Client
  /** Tokens and cookies, which must not be in any log. */
  readonly secrets: string[] = []

  constructor(minting: Minting, system: pg.Client) {
    this.#minting = minting
    this.#system = system
  }

  /** Logs a person in; the same subject is the same person, in one more browser. */
  async person(subject: string, roles: { slug: string; role: Role }[], operator = false): Promise<Person> {
    const cookie = this.#minting.stamp.put(randomBytes(32).toString('base64url'))
    this.secrets.push(cookie)
    const { session } = await this.#minting.store.sessions.login(
      { issuer, subject, name: `${subject} NAME`, email: `${subject}@mail.example`, operator, roles },
      {
        id: mintId('ses'),
        hash: createHash('sha256').update(cookie).digest(),
        providerSid: null,
        idToken: 'an.id.token',
        userAgent: `${subject} BROWSER`,
        address: '192.0.2.1',
        network: '192.0.2.1',
        maxAgeMs: 3_600_000,
      },
      null,
    )
    return { userId: session.user.id, sessionId: session.id, cookie, headers: byCookie(cookie) }
  }

  async token(
    orgId: OrgId,
    scopes: string[],
    createdBy: UserId | TokenId | null = null,
    ttlMs = 3_600_000,
  ): Promise<{ token: string; id: TokenId }> {
    const minted = await this.#minting.minter.mint({ orgId, name: 'a token', scopes, ttlMs, createdBy })
    this.secrets.push(minted.token)
    return minted
  }

  /** All principals that must be answered with 401. */
  async refused(orgId: OrgId, slug: string): Promise<TestPrincipal[]> {
    const owner: { slug: string; role: Role }[] = [{ slug, role: 'owner' }]
    const good = await this.token(orgId, [...scopes])
    const person = await this.person('somebody', owner, true)

    const expired = await this.token(orgId, [...scopes], null, 1_000)
    const revoked = await this.token(orgId, [...scopes])
    await this.#minting.store.tokens.revokeToken(revoked.id)
    const left = await this.person('who-left', owner)
    const leftToken = await this.token(orgId, ['pins:read'], left.userId)
    await this.#minting.store.orgs.removeMember(orgId, left.userId, { name: 'operator', owners: true })

    const over = await this.person('who-is-over', owner, true)
    await this.#set('expires_at', over.sessionId, '-1 second')
    const idle = await this.person('who-is-idle', owner, true)
    await this.#set('last_seen_at', idle.sessionId, '-13 hours')
    const out = await this.person('who-signed-out', owner, true)
    await this.#minting.store.sessions.endSession(out.userId, out.sessionId, out.userId)
    await sleep(2_000)

    const actors: Record<string, Record<string, string>> = {
      'no credential': {},
      'a word': { authorization: 'Bearer hunter2' },
      'basic authentication': { authorization: `Basic ${Buffer.from('a:b').toString('base64')}` },
      'a token of 64 KB': { authorization: `Bearer ${good.token}${'A'.repeat(65_536)}` },
      'a token that says it is not signed': { authorization: `Bearer ${unsigned(good.token)}` },
      'a token that expired': { authorization: `Bearer ${expired.token}` },
      'a token that was revoked': { authorization: `Bearer ${revoked.token}` },
      'a token whose maker left': { authorization: `Bearer ${leftToken.token}` },
      'a session that is over': over.headers,
      'a session that was idle for long': idle.headers,
      'a session that was ended': out.headers,
      'a cookie as a token': { authorization: `Bearer ${person.cookie}` },
      'a token as a cookie': byCookie(good.token),
      'a good cookie beside a bad token': { ...person.headers, authorization: 'Bearer hunter2' },
      'an invented cookie': byCookie(randomBytes(49).toString('base64url').slice(0, 65)),
      'a cookie without its stamp': byCookie(person.cookie.slice(0, 43)),
      'a cookie of another name': { ...person.headers, cookie: `anchorage=${person.cookie}` },
    }
    return Object.entries(actors).map(([name, headers]) => ({ name, headers, actor: null }))
  }

  async #set(column: 'expires_at' | 'last_seen_at', id: SessionId, by: string): Promise<void> {
    const text = `update sessions set ${column} = now() + $2::interval where id = $1 returning id`
    assert.equal((await this.#system.query(text, [uuidOf(id), by])).rowCount, 1)
  }
}

/** The headers that a browser sends from a page of this service. */
export function byCookie(cookie: string): Record<string, string> {
  return { cookie: `__Host-anchorage=${cookie}`, 'sec-fetch-site': 'same-origin' }
}

/** The same claims with `alg: none`. */
function unsigned(token: string): string {
  const [head = '', claims = ''] = token.split('.')
  const header: object = JSON.parse(Buffer.from(head, 'base64url').toString())
  return `${Buffer.from(JSON.stringify({ ...header, alg: 'none' })).toString('base64url')}.${claims}.`
}

import { oidcProvider } from '../auth/oidc.ts'
import { sealFor, stampFor } from '../auth/seal.ts'
import { AnchorageError } from '../core/errors.ts'
import { groupRules } from '../core/group-roles.ts'
import type { IdentityProvider } from '../core/login-ports.ts'
import type { Log } from '../core/ports.ts'
import { sessionUseCases } from '../core/sessions.ts'
import type { Revoked } from '../core/token.ts'
import type { People } from '../http/auth.ts'
import type { Store } from '../store/store.ts'
import { systemClock as clock } from './clock.ts'
import type { Config } from './config.ts'
import { textOfFile } from './config-file.ts'
import { howToGive } from './config-keys.ts'

export interface PeopleNeeds {
  config: Pick<Config, 'oidc' | 'session' | 'http'>
  store: Pick<Store, 'sessions'>
  masterKey: Uint8Array
  /** Tells every node which tokens have ended. Rejects when the message cannot be sent. */
  announce: (revoked: Revoked) => Promise<void>
  log: Log
}

/**
 * How people log in; null without `oidc.issuer`, when they cannot. Rejects `invalid` when other required options are missing. Does not
 * contact the provider, which may be down when a node starts.
 */
export async function peopleOf({
  config,
  store,
  masterKey,
  announce,
  log,
}: PeopleNeeds): Promise<People | null> {
  const { oidc, session, http } = config
  const provider = await identityProviderOf(config)
  if (provider === null) return null
  if (http.publicUrl === undefined)
    log.info({}, 'people log in on loopback only, since http.publicUrl is not set')
  const sessions = sessionUseCases({
    store: store.sessions,
    provider,
    seal: sealFor(masterKey, 'login cookie'),
    stamp: stampFor(masterKey, 'session cookie'),
    rules: groupRules(oidc.groupPrefix, oidc.groups),
    idleMs: session.idleTimeout,
    maxAgeMs: session.maxAge,
    announce,
    clock,
    log,
  })
  return { sessions, publicUrl: http.publicUrl ?? null }
}

/**
 * The identity provider that the config names, or null. Rejects `invalid` when a required option is missing. Does not contact the provider.
 */
export async function identityProviderOf({ oidc }: Pick<Config, 'oidc'>): Promise<IdentityProvider | null> {
  const { issuer, clientId, clientAuthentication, scopes, claims } = oidc
  if (issuer === undefined) return null
  if (clientId === undefined)
    throw new AnchorageError(
      'invalid',
      `oidc.issuer is set, but oidc.clientId is not: ${howToGive('oidc.clientId')}`,
    )
  if (!scopes.includes('openid'))
    throw new AnchorageError('invalid', 'oidc.scopes must have openid: without it nobody says who logs in')
  return oidcProvider({
    issuer,
    clientId,
    clientSecret: await clientSecret(oidc),
    clientAuthentication,
    scopes,
    claims,
    clock,
  })
}

/** Null for a client without a secret. */
async function clientSecret(oidc: Config['oidc']): Promise<string | null> {
  const { clientSecret: given, clientSecretFile: file } = oidc
  if (given !== undefined) return given.reveal()
  return file === undefined ? null : (await textOfFile(file, 'oidc.clientSecretFile')).trim()
}

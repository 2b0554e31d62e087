import { oidcProvider } from '../auth/oidc.ts'
import { sealFor, stampFor } from '../auth/seal.ts'
import { groupRules } from '../core/group-roles.ts'
import type { Log } from '../core/ports.ts'
import { sessionUseCases } from '../core/sessions.ts'
import type { Revoked } from '../core/token.ts'
import type { Logins } from '../http/auth.ts'
import type { Store } from '../store/store.ts'
import { systemClock as clock } from './clock.ts'
import type { Config } from '../config/config.ts'
import { oidcOf } from '../config/oidc.ts'

export interface LoginNeeds {
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
export async function loginsOf({
  config,
  store,
  masterKey,
  announce,
  log,
}: LoginNeeds): Promise<Logins | null> {
  const { oidc, session, http } = config
  const settings = await oidcOf(config)
  if (settings === null) return null
  if (http.publicUrl === undefined)
    log.info({}, 'people can log in only on loopback, since http.publicUrl is not set')
  const sessions = sessionUseCases({
    store: store.sessions,
    provider: oidcProvider({ ...settings, clock }),
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

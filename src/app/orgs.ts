import { minter } from '../auth/minter.ts'
import type { NatsLink } from '../cluster/nats-link.ts'
import { orgUseCases, type OrgUseCases } from '../core/orgs.ts'
import type { Log } from '../core/ports.ts'
import type { Revoked } from '../core/token.ts'
import { tokenUseCases, type TokenUseCases } from '../core/tokens.ts'
import type { Store } from '../store/store.ts'
import { announceRevokedToken } from './caches.ts'
import { systemClock as clock } from './clock.ts'
import type { Config } from '../config/config.ts'

export interface OrgNeeds {
  config: Pick<Config, 'orgs'>
  store: Pick<Store, 'orgs' | 'orgDirectory'>
  /**
   * The connection to NATS. Rejects while there is none; the nodes then get no message of ended tokens and notice them by themselves within
   * seconds.
   */
  link: () => Promise<NatsLink>
  log: Log
}

/** The use cases of orgs and their members, for a running node and for a command. */
export function orgsOf({ config, store, link, log }: OrgNeeds): OrgUseCases {
  const { maxPins = null, maxBytes = null } = config.orgs
  const usual = { maxPins, maxBytes }
  return orgUseCases({
    store: store.orgs,
    directory: store.orgDirectory,
    announce: announcing(link),
    usual,
    log,
  })
}

/** The same, and the use cases of tokens, which need the key that wraps the signing keys. */
export function orgAndTokenUseCases(
  needs: OrgNeeds & { store: Pick<Store, 'tokens'>; masterKey: Uint8Array },
): {
  orgs: OrgUseCases
  tokens: TokenUseCases
} {
  const { store, masterKey, link, log } = needs
  const mint = minter({ store: store.tokens, masterKey })
  return {
    orgs: orgsOf(needs),
    tokens: tokenUseCases({
      store: store.orgs,
      mint: (request) => mint.mint(request),
      announce: announcing(link),
      clock,
      log,
    }),
  }
}

/** Tells every node which tokens have ended. Rejects when the message cannot be sent. */
export function announcing(link: () => Promise<NatsLink>): (revoked: Revoked) => Promise<void> {
  return async ({ tokens, version }) => {
    const to = await link()
    for (const id of tokens) announceRevokedToken(to, id, version)
  }
}

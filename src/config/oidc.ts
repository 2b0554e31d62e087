import type { OidcOptions } from '../auth/oidc.ts'
import { AnchorageError } from '../core/errors.ts'
import type { Config } from './config.ts'
import { textOfFile } from './option-file.ts'
import { howToGive } from './keys.ts'

/** What the config says of the identity provider; null when it names none. Rejects `invalid` when a required option is missing. */
export async function oidcOf({ oidc }: Pick<Config, 'oidc'>): Promise<Omit<OidcOptions, 'clock'> | null> {
  const { issuer, clientId, clientAuthentication, scopes, claims } = oidc
  if (issuer === undefined) return null
  if (clientId === undefined)
    throw new AnchorageError(
      'invalid',
      `oidc.issuer is set, but oidc.clientId is not: ${howToGive('oidc.clientId')}`,
    )
  if (!scopes.includes('openid'))
    throw new AnchorageError(
      'invalid',
      'oidc.scopes must contain openid: without it the provider does not say who logs in',
    )
  return { issuer, clientId, clientSecret: await clientSecret(oidc), clientAuthentication, scopes, claims }
}

/** Null for a client without a secret. */
async function clientSecret(oidc: Config['oidc']): Promise<string | null> {
  const { clientSecret: given, clientSecretFile: file } = oidc
  if (given !== undefined) return given.reveal()
  return file === undefined ? null : (await textOfFile(file, 'oidc.clientSecretFile')).trim()
}

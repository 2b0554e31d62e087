import { join } from 'node:path'
import { variableOf } from '../config/keys.ts'
import type { DataDir } from './data-dir.ts'
import { devUsers, identityKeys } from './identities.ts'
import { clientId, startIdentityProvider } from './identity-provider.ts'
import type { NodeSettings } from './node.ts'
import { writePrivate } from '../process/private-file.ts'

/** The identity provider and its users; disposing stops the provider. */
export interface DevLogin extends AsyncDisposable {
  issuer: string
  users: string[]
  /** The password of all users. */
  password: string
  /** The settings by which nodes use the provider. */
  settings: NodeSettings
}

/**
 * Starts dev's identity provider. Null when the environment names another one, or when its package is not installed, which `say` reports.
 */
export async function startLogin(
  dir: DataDir,
  options: {
    /** The nodes listen on `port` and the ports after it. */
    port: number
    count: number
    org: string
    env: NodeJS.ProcessEnv
    say: (line: string) => void
  },
): Promise<DevLogin | null> {
  const { port, count, env, say } = options
  if (env[variableOf('oidc.issuer')] !== undefined) return null
  const keys = await identityKeys(dir.path)
  const users = devUsers(options.org)
  const nodeUrls = Array.from({ length: count }, (_, index) => `http://127.0.0.1:${port + index}`)
  const provider = await startIdentityProvider({
    port: await dir.port('identities'),
    nodeUrls,
    users,
    keys,
    say,
  })
  if (provider === null) {
    say('people cannot log in with a browser, because the package oidc-provider is not installed')
    return null
  }
  const clientSecretFile = join(dir.path, 'client.secret')
  await writePrivate(clientSecretFile, `${keys.clientSecret}\n`)
  return {
    issuer: provider.issuer,
    users: Object.keys(users),
    password: keys.password,
    settings: {
      'oidc.issuer': provider.issuer,
      'oidc.clientId': clientId,
      'oidc.clientSecretFile': clientSecretFile,
    },
    [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose](),
  }
}

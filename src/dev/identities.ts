import { generateKeyPairSync, randomBytes, type JsonWebKey } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writePrivate } from '../process/private-file.ts'

/** A user of dev's identity provider, and what the provider tells about the user. */
export interface DevUser {
  name: string
  email: string
  groups: string[]
}

/** Alice owns the org of dev and operates the cluster, Bob is a member of that org. */
export function devUsers(org: string): Record<string, DevUser> {
  return {
    alice: {
      name: 'Alice',
      email: 'alice@example.com',
      groups: [`anchorage:${org}:owner`, 'anchorage:operators'],
    },
    bob: { name: 'Bob', email: 'bob@example.com', groups: [`anchorage:${org}:member`] },
  }
}

/** Secrets that stay the same between runs, so that sessions outlive them. */
export interface IdentityKeys {
  /** Signs ID tokens. */
  jwk: JsonWebKey
  cookieKey: string
  clientSecret: string
  /** The password of every user. */
  password: string
}

/** The keys in DIR; made once. */
export async function identityKeys(dir: string): Promise<IdentityKeys> {
  const file = join(dir, 'identities.json')
  if (!existsSync(file)) await writePrivate(file, `${JSON.stringify(newIdentityKeys())}\n`)
  const keys: IdentityKeys = JSON.parse(await readFile(file, 'utf8'))
  return keys
}

export function newIdentityKeys(): IdentityKeys {
  const random = () => randomBytes(24).toString('base64url')
  return {
    jwk: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }),
    cookieKey: random(),
    clientSecret: random(),
    // Short, because people type it.
    password: randomBytes(5).toString('hex'),
  }
}

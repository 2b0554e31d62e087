import { AnchorageError } from '../core/errors.ts'
import type { Config } from './config.ts'
import { textOfFile } from './option-file.ts'
import { howToGive } from './keys.ts'

/**
 * The 32 bytes that wrap the signing keys, from `auth.masterKey` or from the file of `auth.masterKeyFile`. Rejects `invalid` without them.
 */
export async function masterKey(config: Config): Promise<Uint8Array> {
  const { masterKey: given, masterKeyFile: file } = config.auth
  if (given !== undefined) return decode(given.reveal(), 'auth.masterKey')
  if (file !== undefined)
    return decode(await textOfFile(file, 'auth.masterKeyFile'), `the master key file ${file}`)
  throw new AnchorageError(
    'invalid',
    `neither auth.masterKey nor auth.masterKeyFile is set: ${howToGive('auth.masterKeyFile')}; ` +
      'make one with: openssl rand -base64 32',
  )
}

function decode(given: string, what: string): Uint8Array {
  const bytes = Buffer.from(given.trim(), 'base64')
  if (bytes.length !== 32 || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(given.trim())) {
    throw new AnchorageError(
      'invalid',
      `${what} must be 32 bytes in base64 (openssl rand -base64 32 makes one)`,
    )
  }
  return bytes
}

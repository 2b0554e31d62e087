import { AnchorageError } from '../core/errors.ts'
import type { Config } from './config.ts'

/**
 * How long browsers are told to use TLS only (HSTS), ms; null for never. Throws `invalid` when the public URL is not https, because
 * browsers would then be locked out.
 */
export function hstsOf({ http: { hsts, publicUrl } }: Pick<Config, 'http'>): number | null {
  if (hsts === undefined) return null
  if (publicUrl === undefined || !publicUrl.startsWith('https://'))
    throw new AnchorageError(
      'invalid',
      'http.hsts needs an http.publicUrl with https, since it makes browsers use only TLS',
    )
  return hsts
}

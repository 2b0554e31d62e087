import { AnchorageError } from '../core/errors.ts'
import type { Config } from './config.ts'

/**
 * For how long browsers are told to come over TLS alone, ms; null: they are told nothing. Throws `invalid` where they could not come over TLS:
 * it would shut them out.
 */
export function hstsOf({ http: { hsts, publicUrl } }: Pick<Config, 'http'>): number | null {
  if (hsts === undefined) return null
  if (publicUrl === undefined || !publicUrl.startsWith('https://'))
    throw new AnchorageError(
      'invalid',
      'http.hsts needs an http.publicUrl of https: browsers are told to come over TLS alone',
    )
  return hsts
}

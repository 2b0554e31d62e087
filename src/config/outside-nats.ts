import { AnchorageError } from '../core/errors.ts'
import { isHere } from '../store/plaintext.ts'
import type { Config } from './config.ts'

/**
 * The URL of the outside NATS that the config names, or null. Throws `invalid` for a URL that would send the password and all hints
 * unencrypted to another host, unless `nats.allowPlaintext` allows that. A server that offers TLS by itself is not enough: an attacker in
 * between can remove the offer.
 */
export function outsideNats({ nats: { url, allowPlaintext } }: Pick<Config, 'nats'>): string | null {
  if (url === undefined) return null
  const { protocol, hostname } = new URL(url.reveal())
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  if (protocol === 'tls:' || isHere(host) || allowPlaintext) return url.reveal()
  throw new AnchorageError(
    'invalid',
    `nats.url would send its password and all hints unencrypted to ${host}: write it tls://…, or, on a ` +
      'private network, set nats.allowPlaintext',
  )
}

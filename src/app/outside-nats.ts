import { AnchorageError } from '../core/errors.ts'
import { isHere } from '../store/plaintext.ts'
import type { Config } from './config.ts'

/**
 * The URL of the outside NATS that the config names; null: it names none. Throws `invalid` for one by which the password and all hints would
 * travel unencrypted to another host, unless `nats.allowPlaintext` says that they may. A server that offers TLS by itself does not count:
 * whoever sits between can take the offer away.
 */
export function outsideNats({ nats: { url, allowPlaintext } }: Pick<Config, 'nats'>): string | null {
  if (url === undefined) return null
  const { protocol, hostname } = new URL(url.reveal())
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  if (protocol === 'tls:' || isHere(host) || allowPlaintext) return url.reveal()
  throw new AnchorageError(
    'invalid',
    `nats.url would send its password and all hints unencrypted to ${host}: write it tls://…, ` +
      'or set nats.allowPlaintext on a network that nobody else is in',
  )
}

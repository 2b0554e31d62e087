import { BlockList } from 'node:net'
import pg from 'pg'
import { AnchorageError } from '../core/errors.ts'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/**
 * Refuses (`invalid`) a URL with which the driver would send a password and rows unencrypted to another host. It asks the driver itself, so
 * the driver's defaults, its environment variables and the URL's parameters all count. `name` is where the URL was given.
 */
export function refusePlaintext(name: string, url: string): void {
  const { host, ssl } = connectionOf(name, url)
  if (ssl || isHere(host)) return
  throw new AnchorageError(
    'invalid',
    `${name} would send its password unencrypted to ${host}: add sslmode=verify-full to its parameters ` +
      '(and sslrootcert=FILE for a CA of your own), or, on a private network, set database.allowPlaintext',
  )
}

function connectionOf(name: string, url: string): pg.Client {
  try {
    return new pg.Client({ connectionString: url })
  } catch (cause) {
    // for example, a certificate file that the URL names cannot be read
    throw new AnchorageError('invalid', `${name}: ${cause instanceof Error ? cause.message : 'unreadable'}`, {
      cause,
    })
  }
}

/** Whether a connection to `host` stays on this machine. */
export function isHere(host: string): boolean {
  return (
    host.startsWith('/') || host === 'localhost' || loopback.check(host, host.includes(':') ? 'ipv6' : 'ipv4')
  )
}

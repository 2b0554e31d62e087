import { BlockList } from 'node:net'
import pg from 'pg'
import { AnchorageError } from '../core/errors.ts'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/**
 * Refuses (`invalid`) a URL by which the driver would send a password and rows unencrypted to another host. The driver itself is asked, so
 * its own defaults, the variables that it reads and the parameters that it takes all count. `name` is where the URL was given.
 */
export function refusePlaintext(name: string, url: string): void {
  const { host, ssl } = connectionOf(name, url)
  if (ssl || isHere(host)) return
  throw new AnchorageError(
    'invalid',
    `${name} would send its password unencrypted to ${host}: add sslmode=verify-full to its parameters ` +
      '(and sslrootcert=FILE for a CA of your own), or set database.allowPlaintext on a network that nobody else is in',
  )
}

function connectionOf(name: string, url: string): pg.Client {
  try {
    return new pg.Client({ connectionString: url })
  } catch (cause) {
    // of files that it names, say
    throw new AnchorageError('invalid', `${name}: ${cause instanceof Error ? cause.message : 'unreadable'}`, {
      cause,
    })
  }
}

/** Whether what goes to `host` stays on this machine. */
export function isHere(host: string): boolean {
  return (
    host.startsWith('/') || host === 'localhost' || loopback.check(host, host.includes(':') ? 'ipv6' : 'ipv4')
  )
}

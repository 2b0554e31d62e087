import { Resolver } from 'node:dns/promises'
import { turns } from '../core/turns.ts'
import { unlessAborted } from '../process/aborted.ts'

/**
 * The IP addresses of a name (`dns4`, `dns6`), or the multiaddrs behind it (`dnsaddr`); none when there are none.
 * Rejects only with the signal's reason.
 */
export type ResolveName = (
  name: string,
  kind: 'dns4' | 'dns6' | 'dnsaddr',
  signal: AbortSignal,
) => Promise<string[]>

/** How many look-ups of a node are in flight at once; further ones wait their turn. */
export const lookUpsAtOnce = 32
/** At most this many records of an answer, which may be 64 KiB, are used. */
const maxRecords = 100

/**
 * Resolves names through DNS, not through `getaddrinfo`: that blocks one of Node's four I/O threads until a slow server answers, so a few
 * bad names would stop all file access. Hence names in /etc/hosts are not known, except `localhost`.
 *
 * All look-ups in flight share one resolver and its sockets. When none is in flight, the next one creates a new resolver and so reads
 * resolv.conf again.
 */
export function nameResolver({
  servers,
  timeoutMs = 2_000,
  atOnce = lookUpsAtOnce,
}: { servers?: string[]; timeoutMs?: number; atOnce?: number } = {}): ResolveName {
  const slots = turns({ atOnce, waiting: Infinity, what: 'look-ups of names' })
  let resolver = new Resolver()
  let out = 0
  let wanted = 0

  async function lookUp(name: string, kind: Parameters<ResolveName>[1]): Promise<string[]> {
    if (out++ === 0) {
      resolver = new Resolver({ timeout: timeoutMs, tries: 2 })
      if (servers) resolver.setServers(servers)
    }
    // A slot is held no longer than this, however many servers there are, each with its tries.
    const enough = AbortSignal.timeout(3 * timeoutMs)
    try {
      const records = await unlessAborted(ask(resolver, name, kind), enough)
      return records.slice(0, maxRecords)
    } catch {
      // The name is unknown, unreachable or malformed: for the caller it has no addresses.
      return []
    } finally {
      out--
    }
  }

  return async (name, kind, signal) => {
    signal.throwIfAborted()
    if (/^(.+\.)?localhost\.?$/i.test(name))
      return kind === 'dns4' ? ['127.0.0.1'] : kind === 'dns6' ? ['::1'] : []
    const end = await slots.take('all', signal)
    wanted++
    try {
      return await unlessAborted(lookUp(name, kind).finally(end), signal)
    } finally {
      // Cancelling ends all look-ups in flight, so it is done only once no caller waits for any of them.
      if (--wanted === 0) resolver.cancel()
    }
  }
}

async function ask(resolver: Resolver, name: string, kind: Parameters<ResolveName>[1]): Promise<string[]> {
  if (kind === 'dns4') return resolver.resolve4(name)
  if (kind === 'dns6') return resolver.resolve6(name)
  const records = await resolver.resolveTxt(`_dnsaddr.${name}`)
  return records
    .map((chunks) => chunks.join(''))
    .flatMap((record) => /^dnsaddr=(.+)$/.exec(record)?.[1] ?? [])
}

import { Resolver } from 'node:dns/promises'

/**
 * The IP addresses of a name (`dns4`, `dns6`), or the multiaddrs behind it (`dnsaddr`); none when there are none.
 * Rejects only with the signal's reason.
 */
export type ResolveName = (
  name: string,
  kind: 'dns4' | 'dns6' | 'dnsaddr',
  signal: AbortSignal,
) => Promise<string[]>

/**
 * Names through DNS. Not through `getaddrinfo`, which sits on one of Node's four I/O threads until a slow server answers, so
 * that a few bad names would stop all file access; hence names of /etc/hosts are not known, bar `localhost`.
 */
export function nameResolver({
  servers,
  timeoutMs = 2_000,
}: { servers?: string[]; timeoutMs?: number } = {}): ResolveName {
  return async (name, kind, signal) => {
    signal.throwIfAborted()
    if (/^(.+\.)?localhost\.?$/i.test(name))
      return kind === 'dns4' ? ['127.0.0.1'] : kind === 'dns6' ? ['::1'] : []
    const resolver = new Resolver({ timeout: timeoutMs, tries: 2 })
    if (servers) resolver.setServers(servers)
    const cancel = () => resolver.cancel()
    signal.addEventListener('abort', cancel)
    try {
      if (kind === 'dns4') return await resolver.resolve4(name)
      if (kind === 'dns6') return await resolver.resolve6(name)
      const records = await resolver.resolveTxt(`_dnsaddr.${name}`)
      return records
        .map((chunks) => chunks.join(''))
        .flatMap((record) => /^dnsaddr=(.+)$/.exec(record)?.[1] ?? [])
    } catch {
      // Unknown, unreachable or malformed: for the caller it leads nowhere.
      signal.throwIfAborted()
      return []
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }
}

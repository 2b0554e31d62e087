import { AnchorageError } from '../core/errors.ts'
import { refusePlaintext } from '../store/plaintext.ts'
import { requireKeys, type Config } from './config.ts'
import type { Secret } from './secret.ts'

/**
 * The two logins that a node works with. This and `ownerUrl` throw `invalid` for what is not set, and for a URL by which passwords would
 * travel unencrypted to another host, unless `database.allowPlaintext` says that they may.
 */
export function storeUrls(given: Config): { tenantUrl: string; systemUrl: string } {
  const { database } = requireKeys(given, ['database.url', 'database.systemUrl'])
  const { url, systemUrl } = database
  refuseAny(given, { 'database.url': url, 'database.systemUrl': systemUrl })
  return { tenantUrl: url.reveal(), systemUrl: systemUrl.reveal() }
}

/** The login that migrates. */
export function ownerUrl(given: Config): string {
  const { database } = requireKeys(given, ['database.ownerUrl'])
  refuseAny(given, { 'database.ownerUrl': database.ownerUrl })
  return database.ownerUrl.reveal()
}

function refuseAny({ database }: Config, urls: Record<string, Secret>): void {
  if (database.allowPlaintext) return
  const problems: string[] = []
  for (const [key, url] of Object.entries(urls)) {
    try {
      refusePlaintext(key, url.reveal())
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error))
    }
  }
  if (problems.length > 0) throw new AnchorageError('invalid', problems.join('\n'))
}

import { AnchorageError } from '../core/errors.ts'
import { refusePlaintext } from '../store/plaintext.ts'
import { requireKeys, type Config } from './config.ts'
import type { Secret } from './secret.ts'

/**
 * The two logins of a node. This and `ownerUrl` throw `invalid` when a URL is not set, and when a URL would send passwords unencrypted to
 * another host, unless `database.allowPlaintext` allows that.
 */
export function storeUrls(given: Config): { tenantUrl: string; systemUrl: string } {
  const { database } = requireKeys(given, ['database.url', 'database.systemUrl'])
  const { url, systemUrl } = database
  refuseAny(given, { 'database.url': url, 'database.systemUrl': systemUrl })
  return { tenantUrl: url.reveal(), systemUrl: systemUrl.reveal() }
}

/** The login that runs migrations. */
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

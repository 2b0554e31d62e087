import { stat } from 'node:fs/promises'
import { storeUrls } from '../config/database-urls.ts'
import { masterKey } from '../config/master-key.ts'
import { unwrapKey } from '../auth/key-wrap.ts'
import { AnchorageError } from '../core/errors.ts'
import type { SigningKey } from '../core/token.ts'
import { restoreBackup } from '../store/restore.ts'
import { localOperator } from './admin/local-operator.ts'
import { configuredVerb } from './config-arguments.ts'
import { readBackupFile } from './backup-file.ts'
import { json } from './print.ts'
import { progress } from './progress.ts'
import { reportedParts } from './reported-parts.ts'

/** Restores a backup. */
export const command = configuredVerb(
  {
    about: `Fills a new database from a backup: all of it or, when anything is wrong, nothing. Make the database, bring it to the backup's
schema (anchorage migrate up), restore, and only then start the nodes. A database with anything in it is refused, and so is another
master key than the one that wrapped the backup's signing keys. The old database, if there still is one, stays as it is.

Nodes are found again by their names, each with its old Kubo or a new one. What their reconcilers would do they only report, until
you say so for each: anchorage admin reconcile, and anchorage admin reconcile NODE --confirm.
Tokens that were revoked since the backup are good again: revoke them again, or end all with anchorage admin rotate-key --end-tokens.

Needs database.url, database.systemUrl and the master key of old.`,
    json: '{"file","takenAt","restoreId","rows":{TABLE: N}}.',
    examples: ['restore anchorage.backup'],
  },
  (bare) => bare.argument('<FILE>', 'a backup'),
  async ([file], _options, io, config) => {
    const { systemUrl } = storeUrls(config)
    const key = await masterKey(config)
    const size = await sizeOfFile(file)
    const shown = progress(io, io.json)
    let read = 0
    const parts = reportedParts(
      readBackupFile(file, (bytes) => (read += bytes)),
      (text) => shown.tell(`${Math.floor((100 * read) / size)} %  ${text}`),
    )
    const proveKey = (each: SigningKey) => assertOpens(key, each)
    const terms = { systemUrl, proveKey, actor: localOperator() }
    const { head, rows, restoreId } = await restoreBackup(terms, parts, io.signal)
    shown.done()
    const { takenAt } = head
    if (io.json) return io.out(json({ file, takenAt, restoreId, rows }))
    io.out(`${rows['pins']} pins of ${rows['orgs']} orgs are back, as of ${takenAt}
Tokens that were revoked after that are good again: revoke them again, or end all (anchorage admin rotate-key --end-tokens).
Start the nodes; then anchorage admin reconcile shows what each would pin again and remove, and with NODE --confirm it does.\n`)
  },
)

function assertOpens(key: Uint8Array, signingKey: SigningKey): void {
  try {
    unwrapKey(key, signingKey)
  } catch (cause) {
    throw new AnchorageError(
      'invalid',
      `the backup's signing key ${signingKey.id} does not open with auth.masterKey: give the master key of the nodes that it was taken from`,
      { cause },
    )
  }
}

async function sizeOfFile(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (cause) {
    throw new AnchorageError('invalid', `${path} cannot be read: ${String(cause)}`, { cause })
  }
}

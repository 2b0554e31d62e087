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
    about: `Fills a new database from a backup. If anything is wrong, nothing is restored. Create the database, bring it to the
schema of the backup (anchorage migrate up), restore, and only then start the nodes. Refused if the database has any data, and if
the master key cannot decrypt the signing keys in the backup. The old database, if it still exists, is not changed.

Nodes are recognised by their names, each with its old Kubo or a new one. Their reconcilers only report what they would do, until
you confirm it for each node: anchorage admin reconcile, and anchorage admin reconcile NODE --confirm. Tokens that were revoked
after the backup are valid again: revoke them again, or end all tokens with anchorage admin rotate-key --end-tokens.

Needs database.url, database.systemUrl and the master key of the old nodes.`,
    json: '{"file","takenAt","restoreId","rows":{TABLE: N}}.',
    examples: ['restore anchorage.backup'],
  },
  (bare) => bare.argument('<FILE>', 'the backup'),
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
    io.out(`${rows['pins']} pins of ${rows['orgs']} orgs are restored, as of ${takenAt}
Tokens that were revoked after that are valid again: revoke them again, or end all (anchorage admin rotate-key --end-tokens).
Start the nodes. Then anchorage admin reconcile shows what each node would pin again and remove; with NODE --confirm the node does it.\n`)
  },
)

function assertOpens(key: Uint8Array, signingKey: SigningKey): void {
  try {
    unwrapKey(key, signingKey)
  } catch (cause) {
    throw new AnchorageError(
      'invalid',
      `auth.masterKey cannot decrypt the signing key ${signingKey.id} of the backup: give the master key of the nodes that were backed up`,
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

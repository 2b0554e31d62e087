import { storeUrls } from '../config/database-urls.ts'
import { version } from '../core/version.ts'
import type { BackupPart } from '../core/backup.ts'
import { readBackup } from '../store/backup.ts'
import { configuredVerb } from './config-arguments.ts'
import { writeBackupFile } from './backup-file.ts'
import { json } from './print.ts'
import { progress } from './progress.ts'
import { reportedParts } from './reported-parts.ts'

/** Writes a backup. */
export const command = configuredVerb(
  {
    about: `Writes what the database holds to FILE, as it was at one moment, while the nodes go on: orgs, people, tokens, signing keys,
nodes, pins and where they lie, plans and the audit. Not logins: people log in again. It fails when the counts of pins are not those of
the pins. FILE is compressed, appears once it is whole, and is readable for its owner alone: it holds names and metadata of all orgs,
and the signing keys, wrapped with the master key. That key is not in it: keep a copy of it elsewhere.

Needs database.url and database.systemUrl. What was pinned stays in Kubo, and is not in FILE.`,
    json: '{"file","takenAt","rows":{TABLE: N}}.',
    examples: ['backup anchorage.backup'],
  },
  (bare) => bare.argument('<FILE>', 'where it is written; there must be none of this name yet'),
  async ([file], _options, io, config) => {
    const { systemUrl } = storeUrls(config)
    const shown = progress(io, io.json)
    const write = (parts: AsyncIterable<BackupPart>) =>
      writeBackupFile(
        file,
        reportedParts(parts, (text) => shown.tell(text)),
        io.signal,
      )
    const { takenAt, rows } = await readBackup(systemUrl, version, write, io.signal)
    shown.done()
    if (io.json) io.out(json({ file, takenAt, rows }))
    else io.out(`${file}: ${rows['pins']} pins of ${rows['orgs']} orgs, as of ${takenAt}\n`)
  },
)

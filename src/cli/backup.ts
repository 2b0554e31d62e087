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
    about: `Writes the content of the database to FILE, as it was at one moment, while the nodes keep running: orgs, users, tokens,
signing keys, nodes, pins and their placements, plans and the audit. Sessions are left out: people log in again. Fails if the stored
counts of pins differ from the pins. FILE is compressed, and appears only when it is complete. Only its owner can read it, because
it has the names and metadata of all orgs, and the signing keys, encrypted with the master key. The master key is not in FILE: keep
a copy of it elsewhere.

Needs database.url and database.systemUrl. Pinned content stays in Kubo, and is not in FILE.`,
    json: '{"file","takenAt","rows":{TABLE: N}}.',
    examples: ['backup anchorage.backup'],
  },
  (bare) => bare.argument('<FILE>', 'the file to write; it must not exist yet'),
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

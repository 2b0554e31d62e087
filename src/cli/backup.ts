import { storeUrls } from '../app/database-urls.ts'
import { version } from '../app/version.ts'
import type { BackupPart } from '../core/backup.ts'
import { readBackup } from '../store/backup.ts'
import { noMore, required } from './arguments.ts'
import { configArgumentsOf } from './config-arguments.ts'
import { writeBackupFile } from './backup-file.ts'
import { json } from './print.ts'
import { progress } from './progress.ts'
import { toldParts } from './told-parts.ts'
import type { Io } from './verb.ts'

export const usage = `
Usage: anchorage backup FILE [--json] [--config FILE] [--OPTION VALUE …]

Writes what the database holds to FILE, as it was at one moment, while the nodes go on: orgs, people, tokens, signing keys, nodes, pins
and where they lie, plans and the audit. Not logins: people log in again. It fails when the counts of pins are not those of
the pins. FILE is compressed, appears once it is whole, and is readable for its owner alone: it holds names and metadata of all orgs, and
the signing keys, wrapped with the master key. That key is not in it: keep a copy of it elsewhere.

--json  prints {"file","takenAt","rows":{TABLE: N}}

Needs database.url and database.systemUrl. What was pinned stays in Kubo, and is not in FILE.
`

/** Writes a backup. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  const [given, ...more] = positionals
  noMore(more)
  const file = required(given, 'FILE')
  const { systemUrl } = storeUrls(config)
  const shown = progress(io, values.json)
  const write = (parts: AsyncIterable<BackupPart>) =>
    writeBackupFile(
      file,
      toldParts(parts, (text) => shown.tell(text)),
      io.signal,
    )
  const { takenAt, rows } = await readBackup(systemUrl, version(), write, io.signal)
  shown.done()
  if (values.json) io.out(json({ file, takenAt, rows }))
  else io.out(`${file}: ${rows['pins']} pins of ${rows['orgs']} orgs, as of ${takenAt}\n`)
}

import type { BackupPart } from '../core/backup.ts'

/** Passes on the parts of a backup, and reports to `tell` how far they are: `pins: 12,000 rows`. */
export async function* reportedParts(
  parts: AsyncIterable<BackupPart>,
  tell: (text: string) => void,
): AsyncGenerator<BackupPart> {
  let table = ''
  let rows = 0
  for await (const part of parts) {
    if (part.kind === 'table') [table, rows] = [part.table, 0]
    if (part.kind === 'rows') rows += part.lines.length
    tell(`${table}: ${rows.toLocaleString('en')} rows`)
    yield part
  }
}

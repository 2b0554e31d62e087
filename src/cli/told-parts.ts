import type { BackupPart } from '../core/backup.ts'

/** The parts of a backup as they pass by; `tell` is told how far they are: `pins: 12,000 rows`. */
export async function* toldParts(
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

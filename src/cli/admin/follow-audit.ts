import { setTimeout as sleep } from 'node:timers/promises'
import type { AuditCursor, AuditEntry } from '../../core/audit.ts'
import { isCode } from '../../core/errors.ts'
import { idOf } from '../../core/ids.ts'
import { printable } from '../print.ts'
import type { Io } from '../verb.ts'

const everyMs = 1_000
const page = 1_000
/**
 * An entry becomes visible when its transaction commits, which is later than its timestamp. So the last entries are read again, this
 * far back.
 */
const overlapMs = 5_000
const lowestId = idOf('aud', '00000000-0000-0000-0000-000000000000')

/**
 * Writes the entries in `begin` (oldest first), and then every new entry, each once, until `io.signal` aborts. `read` returns the
 * entries after a cursor, oldest first.
 */
export async function followAudit(
  begin: AuditEntry[],
  read: (query: { after: AuditCursor; limit: number }) => Promise<AuditEntry[]>,
  write: (entry: AuditEntry) => void,
  io: Pick<Io, 'err' | 'signal'> & Partial<Pick<Io, 'json'>>,
  pollMs = everyMs,
): Promise<void> {
  const written = new Map<string, number>()
  let newestMs = 0
  const writeOnce = (entries: AuditEntry[]): void => {
    for (const entry of entries) {
      if (!written.has(entry.id)) write(entry)
      written.set(entry.id, entry.at.getTime())
      newestMs = Math.max(newestMs, entry.at.getTime())
    }
  }
  writeOnce(begin)
  // earlier entries were not asked for
  const fromMs = begin[0]?.at.getTime() ?? 0
  while (!io.signal.aborted) {
    let after: AuditCursor | null = { at: new Date(Math.max(fromMs, newestMs - overlapMs)), id: lowestId }
    while (after !== null && !io.signal.aborted) {
      const entries: AuditEntry[] = await readPatiently(read, after, io)
      writeOnce(entries)
      after = entries.length < page ? null : cursorAfter(entries.at(-1), after)
    }
    for (const [id, atMs] of written) if (atMs < newestMs - overlapMs) written.delete(id)
    await sleep(pollMs, undefined, { signal: io.signal }).catch(() => undefined)
  }
}

async function readPatiently(
  read: (query: { after: AuditCursor; limit: number }) => Promise<AuditEntry[]>,
  after: AuditCursor,
  io: Pick<Io, 'err' | 'signal'> & Partial<Pick<Io, 'json'>>,
): Promise<AuditEntry[]> {
  try {
    return await read({ after, limit: page })
  } catch (error) {
    if (!isCode(error, 'unavailable')) throw error
    if (!io.signal.aborted && !io.json) io.err(`${printable(error.message)}; asking again\n`)
    return []
  }
}

/**
 * A cursor counts milliseconds. When a whole page lies within one millisecond, the rest of that millisecond is skipped, because the
 * same page would be read for ever.
 */
function cursorAfter(last: AuditEntry | undefined, before: AuditCursor): AuditCursor | null {
  if (last === undefined) return null
  if (last.at.getTime() > before.at.getTime()) return { at: last.at, id: last.id }
  return { at: new Date(before.at.getTime() + 1), id: lowestId }
}

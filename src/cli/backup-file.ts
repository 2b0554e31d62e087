import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip, constants } from 'node:zlib'
import { pipeline as piped } from 'node:stream'
import type { BackupPart } from '../core/backup.ts'
import { AnchorageError } from '../core/errors.ts'
import { eachLine } from './lines.ts'

/**
 * The format of a backup file: lines, compressed with gzip. A line that begins with `{"$":` announces the lines after it. The head
 * comes first, and each table with its columns comes before its rows. The last line is the end: it has the number of rows of each table
 * and the SHA-256 of all lines before it. Every other line is a row, as Postgres' to_json wrote it.
 */
const control = '{"$":'

/** At this level, compression is faster than disks and networks. */
const level = constants.Z_BEST_SPEED

/**
 * Writes a backup to `path`. Rejects with `conflict` when that file exists. Only its owner can read the file, and it gets its name only
 * once all of it is on the disk.
 */
export async function writeBackupFile(
  path: string,
  parts: AsyncIterable<BackupPart>,
  signal: AbortSignal,
): Promise<void> {
  if (await stat(path).catch(() => null))
    throw new AnchorageError('conflict', `${path} exists already: a backup does not overwrite files`)
  const partial = `${path}.partial`
  await rm(partial, { force: true })
  try {
    const file = createWriteStream(partial, { flags: 'wx', mode: 0o600, flush: true })
    await pipeline(linesOf(parts), createGzip({ level }), file, { signal })
    await rename(partial, path)
    await syncFolder(dirname(path))
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
}

/**
 * Yields the parts of a backup file as they were written. Throws `invalid` when the file is not a backup, is cut off or was changed.
 * `read` is called with the number of bytes read from the file.
 */
export async function* readBackupFile(
  path: string,
  read: (bytes: number) => void = () => {},
): AsyncGenerator<BackupPart> {
  const file = createReadStream(path)
  file.on('data', (chunk) => read(chunk.length))
  const text = piped(file, createGunzip(), () => {})
  try {
    yield* partsOf(text.setEncoding('utf8'))
  } catch (cause) {
    if (cause instanceof AnchorageError) throw cause
    throw new AnchorageError('invalid', `${path} cannot be read as a backup: ${String(cause)}`, { cause })
  } finally {
    file.destroy()
  }
}

async function* linesOf(parts: AsyncIterable<BackupPart>): AsyncGenerator<string> {
  const hash = createHash('sha256')
  for await (const part of parts) {
    const text =
      part.kind === 'rows' ? `${part.lines.join('\n')}\n` : controlLine(part, hash.copy().digest('hex'))
    hash.update(text)
    yield text
  }
}

function controlLine(part: Exclude<BackupPart, { kind: 'rows' }>, sha256: string): string {
  const { kind, ...rest } = part
  return `${JSON.stringify({ $: kind, ...rest, ...(kind === 'end' ? { sha256 } : {}) })}\n`
}

const batch = 1_000
const batchLength = 4 * 1024 * 1024

async function* partsOf(text: AsyncIterable<string>): AsyncGenerator<BackupPart> {
  const hash = createHash('sha256')
  let lines: string[] = []
  let length = 0
  let first = true
  for await (const line of eachLine(text)) {
    const isControl = line.startsWith(control)
    if (first && !isControl) throw new AnchorageError('invalid', 'this is not a backup of anchorage')
    first = false
    if (!isControl) {
      lines.push(line)
      length += line.length
    }
    if (lines.length > 0 && (isControl || lines.length === batch || length > batchLength)) {
      yield { kind: 'rows', lines }
      lines = []
      length = 0
    }
    if (isControl) yield partOf(line, hash.copy().digest('hex'))
    hash.update(line).update('\n')
  }
}

function partOf(line: string, sha256: string): BackupPart {
  const { $: kind, ...said } = JSON.parse(line)
  if (kind === 'head') {
    if (said.head?.format !== 1)
      throw new AnchorageError(
        'invalid',
        `the backup has format ${said.head?.format}: a newer anchorage made it`,
      )
    return { kind, head: said.head }
  }
  if (kind === 'table') return { kind, table: said.table, columns: said.columns }
  if (kind !== 'end') throw new AnchorageError('invalid', `the backup is damaged: ${line.slice(0, 80)}`)
  if (said.sha256 !== sha256)
    throw new AnchorageError('invalid', 'the backup is damaged: its checksum is wrong')
  return { kind, rows: said.rows }
}

/** Syncs the folder, so that the name of the file survives a crash like its content. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

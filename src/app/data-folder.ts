import { randomUUID } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AnchorageError } from '../core/errors.ts'
import { tryLock } from '../process/lock.ts'
import { writePrivate } from '../process/private-file.ts'

/** The directory of a node's own files, which only one process uses at a time. */
export interface DataFolder extends AsyncDisposable {
  /** A random id. A node that starts elsewhere under the same name shows another one. */
  id: string
}

/**
 * Locks the folder `dir` until disposed, or until this process ends, and reads its id. Makes both if they do not exist. Rejects `conflict`
 * while another process has the folder, and `invalid` when it cannot be written.
 */
export async function openDataFolder(dir: string): Promise<DataFolder> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    const lock = await tryLock(join(dir, 'node.lock'))
    if ('heldBy' in lock)
      throw new AnchorageError(
        'conflict',
        `process ${lock.heldBy.pid} runs a node with data.dir ${dir}: stop it, or give this node its own data.dir`,
      )
    const id = (await folderId(dir)) ?? (await newFolderId(dir))
    return { id, [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose]() }
  } catch (cause) {
    if (cause instanceof AnchorageError) throw cause
    throw new AnchorageError('invalid', `data.dir ${dir} cannot be used: ${String(cause)}`, { cause })
  }
}

/** The id of the folder; null when no node has started there. */
export async function folderId(dir: string): Promise<string | null> {
  try {
    return (await readFile(fileIn(dir), 'utf8')).trim() || null
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return null
    throw error
  }
}

async function newFolderId(dir: string): Promise<string> {
  const id = randomUUID()
  await writePrivate(fileIn(dir), `${id}\n`)
  return id
}

function fileIn(dir: string): string {
  return join(dir, 'folder.id')
}

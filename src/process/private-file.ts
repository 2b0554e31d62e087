import { randomUUID } from 'node:crypto'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Writes a file that only its owner may read. A reader sees the old content or the new one, never a part of it, also after the machine lost
 * power. Once this resolves, the new content is on the disk.
 */
export async function writePrivate(path: string, content: string): Promise<void> {
  const fresh = `${path}.${randomUUID()}`
  try {
    await synced(await open(fresh, 'wx', 0o600), (file) => file.writeFile(content))
    await rename(fresh, path)
  } catch (error) {
    await rm(fresh, { force: true })
    throw error
  }
  await synced(await open(dirname(path)))
}

async function synced(file: FileHandle, work?: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await work?.(file)
    await file.sync()
  } finally {
    await file.close()
  }
}

import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Remembered } from '../core/marks.ts'
import { writePrivate } from '../process/private-file.ts'

/** Where a node keeps what it has seen of a cluster's database. Each cluster has a file of its own: its numbers mean nothing to another. */
export function rememberedPath(dataDir: string, clusterId: string): string {
  return join(dataDir, `seen-${clusterId}.json`)
}

/** What the node remembers; null when it remembers nothing of this cluster, or when its file cannot be understood. */
export async function readRemembered(dataDir: string, clusterId: string): Promise<Remembered | null> {
  try {
    const read: Remembered = JSON.parse(await readFile(rememberedPath(dataDir, clusterId), 'utf8'))
    return isWhole(read) ? read : null
  } catch {
    return null
  }
}

function isWhole({ generation, epoch, incarnation, pinned }: Remembered): boolean {
  return [generation, epoch, incarnation].every(Number.isSafeInteger) && Array.isArray(pinned)
}

export async function writeRemembered(
  dataDir: string,
  clusterId: string,
  remembered: Remembered,
): Promise<void> {
  await mkdir(dataDir, { recursive: true })
  await writePrivate(rememberedPath(dataDir, clusterId), `${JSON.stringify(remembered)}\n`)
}

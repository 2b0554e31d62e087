import { statfs } from 'node:fs/promises'
import type { SteadyClock } from '../core/ports.ts'
import { every } from './every.ts'

/** A file system. */
export interface Disk {
  bytes: number
  freeBytes: number
}

/** The disk that holds this node's own files. */
export interface DiskWatch {
  /** As of a few seconds ago; null while it cannot be read. */
  disk(): Disk | null
  run(signal: AbortSignal): Promise<void>
}

const everyMs = 10_000

/** Reads the disk's size and free space every `everyMs`. */
export function diskWatch(dir: string, clock: SteadyClock): DiskWatch {
  let seen: Disk | null = null
  const look = async (): Promise<void> => void (seen = await diskOf(dir))
  return { disk: () => seen, run: (signal) => every(everyMs, look, { clock, signal, onError: () => {} }) }
}

/** The file system that holds a directory; null while it cannot be read. */
export async function diskOf(dir: string): Promise<Disk | null> {
  try {
    const { bsize, blocks, bavail } = await statfs(dir)
    return { bytes: bsize * blocks, freeBytes: bsize * bavail }
  } catch {
    return null
  }
}

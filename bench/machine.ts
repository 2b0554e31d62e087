import { readFile } from 'node:fs/promises'

/** What the machine did in a time: parts of all its processors' time, 0 to 1. */
export interface Busy {
  /** At work. */
  cpu: number
  /** Idle because of the disk. */
  disk: number
}

/** Measures how busy the machine is while `work` goes on. */
export async function whileBusy<T>(work: () => Promise<T>): Promise<{ result: T; busy: Busy }> {
  const before = await ticks()
  const result = await work()
  const after = await ticks()
  const passed = after.map((count, index) => count - (before[index] ?? 0))
  const all = Math.max(
    1,
    passed.reduce((sum, count) => sum + count, 0),
  )
  const [, , , idle = 0, disk = 0] = passed
  return { result, busy: { cpu: 1 - (idle + disk) / all, disk: disk / all } }
}

/** user, nice, system, idle, waiting for the disk, …: of all processors since the start. */
async function ticks(): Promise<number[]> {
  const [all = ''] = (await readFile('/proc/stat', 'utf8')).split('\n')
  // Guests' time stands in user's already.
  return all.split(/\s+/).slice(1, 9).map(Number)
}

import { readFile } from 'node:fs/promises'

/** How busy the machine was, as parts of the time of all processors, 0 to 1. */
export interface Busy {
  /** Working. */
  cpu: number
  /** Idle while waiting for the disk. */
  disk: number
}

/** Measures how busy the machine is while `work` runs. */
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

/** Ticks of all processors since boot: user, nice, system, idle, waiting for the disk, … */
async function ticks(): Promise<number[]> {
  const [all = ''] = (await readFile('/proc/stat', 'utf8')).split('\n')
  // The columns for guests are left out, because user includes them.
  return all.split(/\s+/).slice(1, 9).map(Number)
}

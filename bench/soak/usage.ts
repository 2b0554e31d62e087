import { readFile, readdir } from 'node:fs/promises'
import { median } from '../statistics.ts'

/** What a server holds: memory in MiB, and open file descriptors; of a family all of its memory, and the files of one of its processes on average. */
export interface Usage {
  mib: number
  fds: number
}

/**
 * What process `pid` holds, or it and its children when it is a `family`, as Postgres with its connections is: how many these are is what the
 * nodes' own files tell. What a family shares is left out: Postgres' cache, which fills up to the size that its config gives it. Rejects when
 * `pid` is gone.
 */
export async function usageOf(pid: number, family = false): Promise<Usage> {
  if (!family) return await usageOfOne(pid, ({ Rss }) => Rss)
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter(Boolean)
  const own = ({ Pss, Pss_Shmem }: Memory): number => Pss - Pss_Shmem
  // A connection may end while it is looked at.
  const others = await Promise.all(children.map((child) => usageOfOne(Number(child), own).catch(() => [])))
  const all = [await usageOfOne(pid, own), ...others.flat()]
  const total = (of: (usage: Usage) => number): number => all.reduce((sum, usage) => sum + of(usage), 0)
  return { mib: total(({ mib }) => mib), fds: total(({ fds }) => fds) / all.length }
}

/** In kB: `Rss` all that a process has in memory, `Pss` of what it shares only its part, `Pss_Shmem` that of memory made to be shared. */
type Memory = Record<'Rss' | 'Pss' | 'Pss_Shmem', number>

async function usageOfOne(pid: number, of: (memory: Memory) => number): Promise<Usage> {
  const [memory, fds] = await Promise.all([
    readFile(`/proc/${pid}/smaps_rollup`, 'utf8'),
    readdir(`/proc/${pid}/fd`),
  ])
  const kb = (field: keyof Memory): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(memory)?.[1])
  return { mib: of({ Rss: kb('Rss'), Pss: kb('Pss'), Pss_Shmem: kb('Pss_Shmem') }) / 1024, fds: fds.length }
}

/** The median of each third of a run, and the last by the middle one: the first is for warming up. */
export interface Thirds {
  first: number
  middle: number
  last: number
  ratio: number
}

export function thirds(values: readonly number[]): Thirds {
  const third = (n: number): number =>
    median(values.slice(Math.round((values.length * n) / 3), Math.round((values.length * (n + 1)) / 3)))
  const [first, middle, last] = [third(0), third(1), third(2)]
  return { first, middle, last, ratio: last / middle }
}

/** What does not grow has at most so much more in the last third than in the middle one. */
export const flat = 1.05
/** Files that are open for a moment, as Kubo's blocks are, differ by so many from median to median. */
const briefFiles = 4

export interface Growth {
  name: string
  mib: Thirds
  fds: Thirds
  /** Whether its memory is judged; its files always are. */
  judged: boolean
  /** Whether what is judged is flat. */
  held: boolean
}

/** How the usage of a server went over a run, of which `samples` were taken at equal intervals; its memory may be told without being `judged`. */
export function growthOf(name: string, samples: readonly Usage[], judged: boolean): Growth {
  const mib = thirds(samples.map((sample) => sample.mib))
  const fds = thirds(samples.map((sample) => sample.fds))
  return {
    name,
    mib,
    fds,
    judged,
    held: (!judged || mib.ratio <= flat) && fds.last <= Math.max(fds.middle * flat, fds.middle + briefFiles),
  }
}

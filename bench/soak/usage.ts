import { readFile, readdir } from 'node:fs/promises'
import { median } from '../statistics.ts'

/**
 * The resources of a server: memory in MiB, and open file descriptors. For a family, the memory of all its processes, and the average
 * number of files of one process.
 */
export interface Usage {
  mib: number
  fds: number
}

/**
 * The resources of process `pid`, or of it and its children when it is a `family`, such as Postgres with its connections (the nodes'
 * own files show how many connections there are). Memory that a family shares is left out: it is Postgres' cache, which fills up to its
 * configured size. Rejects when `pid` is gone.
 */
export async function usageOf(pid: number, family = false): Promise<Usage> {
  if (!family) return await usageOfOne(pid, ({ Rss }) => Rss)
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter(Boolean)
  const own = ({ Pss, Pss_Shmem }: Memory): number => Pss - Pss_Shmem
  // A connection may end while it is read.
  const others = await Promise.all(children.map((child) => usageOfOne(Number(child), own).catch(() => [])))
  const all = [await usageOfOne(pid, own), ...others.flat()]
  const total = (of: (usage: Usage) => number): number => all.reduce((sum, usage) => sum + of(usage), 0)
  return { mib: total(({ mib }) => mib), fds: total(({ fds }) => fds) / all.length }
}

/**
 * In kB: `Rss` is all resident memory of a process, `Pss` counts only its part of shared pages, and `Pss_Shmem` is that part for shared
 * memory.
 */
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

/** The median of each third of a run, and the ratio of the last to the middle one; the first third is for warming up. */
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

/** A value that does not grow is at most this much larger in the last third than in the middle one. */
export const flat = 1.05
/**
 * nats-server keeps the newest block of each stream in a buffer, which grows in steps until the block is full at 8 MiB and then starts small
 * again (`getMsgBlockBuf` in its filestore.go). So its medians may differ by that much. A node has no such steps.
 */
const streamBufferMib = 8
/** Files that are open only briefly, such as Kubo's blocks, make medians differ by up to this many. */
const briefFiles = 4

export interface Growth {
  name: string
  mib: Thirds
  fds: Thirds
  /** Whether its memory is judged; its files are always judged. */
  judged: boolean
  /** Whether everything that is judged is flat. */
  held: boolean
}

/** The usage of a server over a run, from `samples` at equal intervals; when not `judged`, its memory is only reported. */
export function growthOf(name: string, samples: readonly Usage[], judged: boolean): Growth {
  const mib = thirds(samples.map((sample) => sample.mib))
  const fds = thirds(samples.map((sample) => sample.fds))
  const steps = name.startsWith('nats ') ? streamBufferMib : 0
  return {
    name,
    mib,
    fds,
    judged,
    held:
      (!judged || mib.last <= Math.max(mib.middle * flat, mib.middle + steps)) &&
      fds.last <= Math.max(fds.middle * flat, fds.middle + briefFiles),
  }
}

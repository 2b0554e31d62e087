import { readFileSync } from 'node:fs'
import { readFile, readdir, readlink } from 'node:fs/promises'

/** Whether a process with this pid runs; a zombie does not count. */
export function alive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return !stat.slice(stat.lastIndexOf(')')).startsWith(') Z')
  } catch {
    return false
  }
}

/** The pids of processes that have `dir`, or a path below it, in an argument, in their environment or as their working directory. */
export async function processesOf(dir: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  const belongs = await Promise.all(pids.map((pid) => mentions(pid, dir)))
  return pids.filter((_, index) => belongs[index]).map(Number)
}

async function mentions(pid: string, dir: string): Promise<boolean> {
  const told = await Promise.all([
    readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
    readFile(`/proc/${pid}/environ`, 'utf8').catch(() => ''),
    readlink(`/proc/${pid}/cwd`).catch(() => ''),
  ])
  return told.some((text) => text.includes(dir))
}

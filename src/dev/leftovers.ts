import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { endProcess, identify, type ProcessIdentity } from '../tools/process-identity.ts'

/**
 * How an earlier run's servers are known after it was killed: every child of `anchorage dev` carries its DIR in this
 * variable, which nothing but the kernel can take from it. No pid file can be stale, none can be missing.
 */
export const markVariable = 'DEV_OF_ANCHORAGE_DIR'

/** Ends what an earlier `anchorage dev` on `dir` left running; returns how many processes that were. */
export async function endLeftovers(dir: string, graceMs: number): Promise<number> {
  const mark = `${markVariable}=${dir}`
  const left = await processesWhere((pid) => read(`/proc/${pid}/environ`).split('\0').includes(mark))
  await Promise.all(left.map((process_) => endProcess(process_, 'SIGTERM', graceMs)))
  return left.length
}

/** Ends every postgres process that lives in `dataDir`: the postmaster by a fast shutdown, then backends without one. */
export async function endPostgresIn(dataDir: string): Promise<number> {
  const ours = (pid: number) =>
    readLink(`/proc/${pid}/cwd`) === dataDir && basename(readLink(`/proc/${pid}/exe`)).startsWith('postgres')
  const postmaster = Number(read(`${dataDir}/postmaster.pid`).split('\n')[0])
  const first = await processesWhere((pid) => pid === postmaster && ours(pid))
  await Promise.all(first.map((process_) => endProcess(process_, 'SIGINT', 10_000)))
  const rest = await processesWhere(ours)
  await Promise.all(rest.map((process_) => endProcess(process_, 'SIGQUIT', 5_000)))
  return first.length + rest.length
}

/** Whether `pid` runs and is somebody else's than the postmaster of `dataDir`. */
export async function isForeign(pid: number, dataDir: string): Promise<boolean> {
  return (await identify(pid)) !== null && readLink(`/proc/${pid}/cwd`) !== dataDir
}

async function processesWhere(ours: (pid: number) => boolean): Promise<ProcessIdentity[]> {
  const pids = namesIn('/proc').map(Number).filter(Number.isInteger)
  const found = await Promise.all(pids.filter((pid) => pid !== process.pid && ours(pid)).map(identify))
  return found.filter((process_) => process_ !== null)
}

// A process may end, or belong to somebody else, at any moment of the look: then it is not ours.

function namesIn(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

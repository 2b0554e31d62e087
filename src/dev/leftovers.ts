import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { endProcess, identify, type ProcessIdentity } from '../tools/process-identity.ts'

/**
 * How an earlier run's servers are known after it was killed: every child of `anchorage dev` carries its DIR in this
 * variable, which nothing but the kernel can take from it. No pid file can be stale, none can be missing.
 */
export const markVariable = 'DEV_OF_ANCHORAGE_DIR'

/**
 * Ends what an earlier `anchorage dev` on `dir` left running, and returns how many processes that were: nodes first, which
 * stop their nats-server and need the others for it, then Kubos, then nats-servers that have no node. Its Postgres comes
 * after them (`endPostgresIn`): it has clients until they are gone, and a signal of its own.
 */
export async function endLeftovers(dir: string, graceMs: number): Promise<number> {
  const end = async (found: number[]): Promise<number> => {
    const left = await identified(found)
    await Promise.all(left.map((process_) => endProcess(process_, 'SIGTERM', graceMs)))
    return left.length
  }
  const nodes = await end(marked(dir).filter(isNode))
  const kubos = await end(marked(dir).filter((pid) => !isPostgres(pid)))
  const servers = (await Promise.all(natsDirsOf(dir).map(endNatsOf))).filter(Boolean)
  return nodes + kubos + servers.length
}

/** Kills all servers of `dir` without waiting for anything: for the last moment of a process. */
export function killNow(dir: string): void {
  const servers = natsDirsOf(dir).flatMap((natsDir) => natsPidOf(natsDir) ?? [])
  for (const pid of [...marked(dir), ...servers]) {
    // Postgres has an immediate stop of its own, which clears its shared memory.
    const signal = isPostgres(pid) ? 'SIGQUIT' : 'SIGKILL'
    try {
      process.kill(pid, signal)
    } catch {
      // It was quicker.
    }
  }
}

/** Ends every postgres process that lives in `dataDir`: the postmaster by a fast shutdown, then backends without one. */
export async function endPostgresIn(dataDir: string): Promise<number> {
  const ours = () => pids().filter((pid) => readLink(`/proc/${pid}/cwd`) === dataDir && isPostgres(pid))
  const postmaster = Number(read(`${dataDir}/postmaster.pid`).split('\n')[0])
  const first = await identified(ours().filter((pid) => pid === postmaster))
  await Promise.all(first.map((process_) => endProcess(process_, 'SIGINT', 10_000)))
  const rest = await identified(ours())
  await Promise.all(rest.map((process_) => endProcess(process_, 'SIGQUIT', 5_000)))
  return first.length + rest.length
}

/** The nats-server that a node keeps in `natsDir`, by the pid file that the node writes; null while none runs. */
export function natsPidOf(natsDir: string): number | null {
  const pid = Number(read(`${natsDir}/nats.pid`))
  return pid > 0 && read(`/proc/${pid}/cmdline`).includes(`${natsDir}/`) ? pid : null
}

/** Ends that nats-server, when its node did not; whether there was one. */
export async function endNatsOf(natsDir: string): Promise<boolean> {
  const pid = natsPidOf(natsDir)
  const process_ = pid === null ? null : await identify(pid)
  if (process_ !== null) await endProcess(process_, 'SIGTERM', 5_000)
  return process_ !== null
}

function natsDirsOf(dir: string): string[] {
  return namesIn(dir)
    .filter((name) => name.startsWith('node-'))
    .map((name) => `${dir}/${name}/nats`)
}

function marked(dir: string): number[] {
  const mark = `${markVariable}=${dir}`
  return pids().filter((pid) => read(`/proc/${pid}/environ`).split('\0').includes(mark))
}

function isNode(pid: number): boolean {
  return read(`/proc/${pid}/cmdline`).split('\0').includes('serve')
}

function isPostgres(pid: number): boolean {
  return basename(readLink(`/proc/${pid}/exe`)).startsWith('postgres')
}

async function identified(found: number[]): Promise<ProcessIdentity[]> {
  return (await Promise.all(found.map(identify))).filter((process_) => process_ !== null)
}

function pids(): number[] {
  return namesIn('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid)
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

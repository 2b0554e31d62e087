import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { endProcess, identify, type ProcessIdentity } from '../process/identity.ts'

/**
 * Identifies the servers of an earlier run that was killed. Every child of `anchorage dev` has its DIR in this environment variable, which
 * nothing but the kernel can take from it. So no pid file can be stale or missing.
 */
export const markVariable = 'DEV_OF_ANCHORAGE_DIR'

/**
 * Ends the processes that an earlier `anchorage dev` on `dir` left running, and returns how many there were. Nodes end first: they stop
 * their nats-server, and need the other servers for that. Then Kubos end, then nats-servers that have no node. Postgres ends after them
 * (`endPostgresIn`), because it has clients until they are gone, and needs a signal of its own.
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

/** Kills all servers of `dir` without waiting for anything, for when this process exits. */
export function killNow(dir: string): void {
  const servers = natsDirsOf(dir).flatMap((natsDir) => natsPidOf(natsDir) ?? [])
  for (const pid of [...marked(dir), ...servers]) {
    // SIGQUIT is Postgres' immediate shutdown, which clears its shared memory.
    const signal = isPostgres(pid) ? 'SIGQUIT' : 'SIGKILL'
    try {
      process.kill(pid, signal)
    } catch {
      // It has ended already.
    }
  }
}

/** Ends every postgres process in `dataDir`: the postmaster by a fast shutdown, then backends that have no postmaster. */
export async function endPostgresIn(dataDir: string): Promise<number> {
  const ours = () => pids().filter((pid) => readLink(`/proc/${pid}/cwd`) === dataDir && isPostgres(pid))
  const postmaster = Number(read(`${dataDir}/postmaster.pid`).split('\n')[0])
  const first = await identified(ours().filter((pid) => pid === postmaster))
  await Promise.all(first.map((process_) => endProcess(process_, 'SIGINT', 10_000)))
  const rest = await identified(ours())
  await Promise.all(rest.map((process_) => endProcess(process_, 'SIGQUIT', 5_000)))
  return first.length + rest.length
}

/** The pid of the nats-server that a node runs in `natsDir`, from the pid file that the node writes; null while none runs. */
export function natsPidOf(natsDir: string): number | null {
  const pid = Number(read(`${natsDir}/nats.pid`))
  return pid > 0 && read(`/proc/${pid}/cmdline`).includes(`${natsDir}/`) ? pid : null
}

/** Ends that nats-server if its node did not. Returns whether there was one. */
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

// A process may end, or turn out to be another user's, while these functions read it: then it is not ours.

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

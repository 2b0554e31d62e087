import { readFile, rm } from 'node:fs/promises'
import type { Log } from '../core/ports.ts'
import { endProcess, identify, isRunning } from '../process/identity.ts'
import type { NatsPaths } from './nats-config.ts'

/** A variable in the server's environment that names the process that started it. A server whose parent is another process is an orphan. */
export const ownerVariable = 'ANCHORAGE_OWNER_PID'

/**
 * Stops the nats-server that an earlier run of this directory left behind, if there is one. It must be the process that the pid file names,
 * have our configuration on its command line, and have lost its parent. Any other process is left alone. Throws when its owner is alive:
 * two nodes must not share a directory. Throws when the server survives, and leaves the pid file, by which the next try finds it.
 */
export async function stopOrphan(paths: NatsPaths, log: Log, end = endProcess): Promise<void> {
  const pid = Number(await readFile(paths.pid, 'utf8').catch(() => ''))
  if (!Number.isSafeInteger(pid) || pid <= 1) return
  const orphan = await identify(pid)
  if (orphan === null || !(await isOurs(pid, paths))) return rm(paths.pid, { force: true })
  const owner = await livingOwner(pid)
  if (owner !== null) {
    throw new Error(`process ${owner} already runs a nats-server in this directory (process ${pid})`)
  }
  log.warn({ pid }, 'stopping a nats-server that an earlier run left behind')
  await end(orphan, 'SIGTERM', 5_000)
  if (await isRunning(orphan))
    throw new Error(`the nats-server of an earlier run (process ${pid}) does not end: kill it`)
  await rm(paths.pid, { force: true })
}

async function isOurs(pid: number, paths: NatsPaths): Promise<boolean> {
  const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
  return words[1] === '-c' && words[2] === paths.config
}

async function livingOwner(pid: number): Promise<number | null> {
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const owner = environment
    .split('\0')
    .find((entry) => entry.startsWith(`${ownerVariable}=`))
    ?.split('=')[1]
  const parent = /^PPid:\s*(\d+)$/m.exec(status)?.[1]
  // In a container the owner may be pid 1 itself. A parent of 1 then proves nothing, but no such orphan can exist either.
  return owner !== undefined && owner === parent && Number(owner) !== process.pid ? Number(owner) : null
}

import { readFile, rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../core/ports.ts'
import type { NatsPaths } from './nats-config.ts'

/** Names, in the server's environment, the process that started it: an orphan is one whose parent is no longer that. */
export const ownerVariable = 'ANCHORAGE_OWNER_PID'

/**
 * Stops the nats-server that an earlier run of this directory left behind, if there is one.
 * It must be the process that the pid file names, have our configuration on its command line, and have lost its parent;
 * anything else is not ours to touch. Throws when its owner is alive: two nodes must not share a directory.
 */
export async function stopOrphan(paths: NatsPaths, log: Log): Promise<void> {
  const pid = Number(await readFile(paths.pid, 'utf8').catch(() => ''))
  if (!Number.isSafeInteger(pid) || pid <= 1) return
  if (!(await isOurs(pid, paths))) return rm(paths.pid, { force: true })
  const owner = await livingOwner(pid)
  if (owner !== null) {
    throw new Error(`process ${owner} already runs a nats-server in this directory (process ${pid})`)
  }
  log.warn({ pid }, 'stopping a nats-server that an earlier run left behind')
  await endProcess(pid, paths)
  await rm(paths.pid, { force: true })
}

/** SIGTERM, five seconds of grace, SIGKILL. Resolves once the process is gone, or is another by now. */
async function endProcess(pid: number, paths: NatsPaths): Promise<void> {
  for (const [signal, graceMs] of [
    ['SIGTERM', 5000],
    ['SIGKILL', 2000],
  ] as const) {
    try {
      if (await isOurs(pid, paths)) process.kill(pid, signal)
    } catch {
      return
    }
    for (const until = Date.now() + graceMs; Date.now() < until; await delay(25)) {
      if (await isGone(pid, paths)) return
    }
  }
}

/**
 * A process that ends has no command line any more before it closes its sockets: the next server would find its port taken. So it is
 * gone when the kernel says that all of its threads ended, or when the pid has another command line.
 */
async function isGone(pid: number, paths: NatsPaths): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const threads = Number(/^Threads:\s*(\d+)$/m.exec(status)?.[1] ?? 0)
  if (status === '' || (/^State:\s*[ZX]/m.test(status) && threads <= 1)) return true
  const commandLine = await commandLineOf(pid)
  return commandLine !== '' && !runsOurs(commandLine, paths)
}

async function isOurs(pid: number, paths: NatsPaths): Promise<boolean> {
  return runsOurs(await commandLineOf(pid), paths)
}

function commandLineOf(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
}

function runsOurs(commandLine: string, paths: NatsPaths): boolean {
  const words = commandLine.split('\0')
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
  // The owner may be pid 1 itself (in a container): then a parent of 1 tells nothing, but neither can such an orphan exist.
  return owner !== undefined && owner === parent && Number(owner) !== process.pid ? Number(owner) : null
}

import { readFile, rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../core/ports.ts'
import type { NatsPaths } from './nats-config.ts'

/** A variable in the server's environment that names the process that started it. A server whose parent is another process is an orphan. */
export const ownerVariable = 'ANCHORAGE_OWNER_PID'

/**
 * Stops the nats-server that an earlier run of this directory left behind, if there is one. It must be the process that the pid file names,
 * have our configuration on its command line, and have lost its parent. Any other process is left alone. Throws when its owner is alive:
 * two nodes must not share a directory.
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

/**
 * Sends SIGTERM, and SIGKILL after five seconds. Resolves once the process is gone or its pid belongs to another one, and at the latest 2 s
 * after SIGKILL.
 */
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
 * An ending process loses its command line before it closes its sockets, so the next server could still find its port taken. It counts as
 * gone when the kernel says that all of its threads have ended, or when the pid has another command line.
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
  // In a container the owner may be pid 1 itself. A parent of 1 then proves nothing, but no such orphan can exist either.
  return owner !== undefined && owner === parent && Number(owner) !== process.pid ? Number(owner) : null
}

import { execFile } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

/** Identifies one process beyond doubt: a pid alone may be given to another process later. */
export interface ProcessIdentity {
  pid: number
  /** When the process started, in the system's own format; unique together with the pid. */
  started: string
}

/** The process that has `pid` now, or null when there is none. A zombie does not count. */
export async function identify(pid: number): Promise<ProcessIdentity | null> {
  const started = existsSync('/proc/self/stat') ? startedByProc(pid) : await startedByPs(pid)
  return started === null ? null : { pid, started }
}

/**
 * Names this machine, and in a container the container. Two processes with the same name can identify each other. It may change when the
 * machine starts again.
 */
export function thisMachine(): string {
  const cards = Object.values(networkInterfaces()).flatMap((card = []) => card.map(({ mac }) => mac))
  const machine = bootId() ?? [hostname(), ...new Set(cards.toSorted())].join(' ')
  try {
    return `${machine} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return machine
  }
}

/** Whether that very process still runs. */
export async function isRunning(process: ProcessIdentity): Promise<boolean> {
  return (await identify(process.pid))?.started === process.started
}

/**
 * Sends `signal` to that very process and waits. If it outlives `graceMs`, sends SIGKILL. Resolves once it is gone, and at the latest 10 s
 * after SIGKILL.
 */
export async function endProcess(
  process_: ProcessIdentity,
  signal: NodeJS.Signals,
  graceMs: number,
): Promise<void> {
  for (const [how, waitMs] of [
    [signal, graceMs],
    ['SIGKILL', 10_000],
  ] as const) {
    if (!(await isRunning(process_))) return
    kill(process_.pid, how)
    const deadline = performance.now() + waitMs
    while (performance.now() < deadline && (await isRunning(process_))) await sleep(20)
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

function startedByProc(pid: number): string | null {
  try {
    // The name (field 2) may contain spaces and parentheses, so fields are counted from the last parenthesis.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state, threads, ticksSinceBoot] = [fields[0], Number(fields[17]), fields[19]]
    if (state === 'X' || ticksSinceBoot === undefined) return null
    // The first thread may end before the others, which hold files and ports until they end too.
    if (state === 'Z' && threads <= 1) return null
    return `${bootId() ?? ''} ${ticksSinceBoot}`
  } catch {
    return null
  }
}

/** Null where it cannot be read, as under systemd with `ProcSubset=pid`. */
function bootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return null
  }
}

async function startedByPs(pid: number): Promise<string | null> {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)])
    return stdout.trim() || null
  } catch {
    return null
  }
}

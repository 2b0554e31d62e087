import type { ChildProcess } from 'node:child_process'

/** Sends `signal`, and SIGKILL after `graceMs`, so that a stop always ends. Resolves once the child has ended. */
export async function stopChild(child: ChildProcess, signal: NodeJS.Signals, graceMs: number): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  child.kill(signal)
  const killer = setTimeout(() => child.kill('SIGKILL'), graceMs)
  await closed
  clearTimeout(killer)
}

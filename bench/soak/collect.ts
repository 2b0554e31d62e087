import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findTool } from '../../src/tools/find-tool.ts'
import { natsServer } from '../../src/tools/nats-server.ts'

/** With this in its environment, a Node process opens its debugger on a free port of loopback when it gets SIGUSR1. */
export const debuggable = { NODE_OPTIONS: '--inspect-port=127.0.0.1:0' }

/**
 * Writes a program into `dir` that is nats-server, and whose memory shows what it keeps. Go collects garbage only once there is as much of it
 * as of everything else; here it does when there is a fifth as much. Returns the program's path.
 */
export async function thriftyNatsServer(dir: string): Promise<string> {
  const { path } = await findTool(natsServer(), { env: process.env, say: () => undefined })
  const program = join(dir, 'nats-server')
  await writeFile(program, `#!/bin/sh\nexport GOGC=20\nexec '${path}' "$@"\n`, { mode: 0o755 })
  return program
}

/** The debugger of one Node process. */
export interface Collector extends Disposable {
  /** Makes the process collect all of its garbage now; resolves when that is done. One call at a time. */
  collect(): Promise<void>
}

/**
 * Opens the debugger of Node process `pid`, which runs with `debuggable` and writes its standard error to `logFile`. Node collects garbage
 * of long-lived objects so rarely under light load that its memory rises for longer than a third of a run, and falls at once. Memory after
 * a collection is what the process really keeps, so only that shows whether it grows.
 */
export async function openCollector(pid: number, logFile: string): Promise<Collector> {
  process.kill(pid, 'SIGUSR1')
  const socket = new WebSocket(await debuggerUrl(logFile))
  await once(socket, 'open', { signal: AbortSignal.timeout(10_000) })
  let number = 0
  let pending = Promise.withResolvers<void>()
  socket.addEventListener('message', ({ data }) => {
    if (JSON.parse(String(data)).id === number) pending.resolve()
  })
  socket.addEventListener('close', () => pending.reject(new Error(`process ${pid} closed its debugger`)))
  return {
    async collect() {
      pending = Promise.withResolvers()
      socket.send(JSON.stringify({ id: ++number, method: 'HeapProfiler.collectGarbage' }))
      await pending.promise
    },
    [Symbol.dispose]: () => socket.close(),
  }
}

async function debuggerUrl(logFile: string): Promise<string> {
  const deadline = performance.now() + 10_000
  for (; performance.now() < deadline; await sleep(50)) {
    const url = /Debugger listening on (ws:\S+)/.exec(await readFile(logFile, 'utf8'))?.[1]
    if (url !== undefined) return url
  }
  assert.fail(`no debugger in ${logFile}`)
}

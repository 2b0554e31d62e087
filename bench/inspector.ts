import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** With this in its environment, a Node process opens its debugger on a free port of loopback when it gets SIGUSR1. */
export const debuggable = { NODE_OPTIONS: '--inspect-port=127.0.0.1:0' }

/** The debugger of one Node process. */
export interface Inspector extends Disposable {
  /** Calls a method of the DevTools protocol and resolves with its result. */
  call<T>(method: string, params?: Record<string, unknown>): Promise<T>
}

/** Opens the debugger of Node process `pid`, which runs with `debuggable` and writes its standard error to `logFile`. */
export async function openInspector(pid: number, logFile: string): Promise<Inspector> {
  process.kill(pid, 'SIGUSR1')
  const socket = new WebSocket(await debuggerUrl(logFile))
  await once(socket, 'open', { signal: AbortSignal.timeout(10_000) })
  const pending = new Map<number, PromiseWithResolvers<never>>()
  let calls = 0
  socket.addEventListener('message', ({ data }) => {
    const { id, result, error } = JSON.parse(String(data))
    const call = pending.get(id)
    pending.delete(id)
    if (error === undefined) call?.resolve(result as never)
    else call?.reject(new Error(error.message))
  })
  socket.addEventListener('close', () => {
    for (const call of pending.values()) call.reject(new Error(`process ${pid} closed its debugger`))
  })
  return {
    call(method, params = {}) {
      const call = Promise.withResolvers<never>()
      pending.set(++calls, call)
      socket.send(JSON.stringify({ id: calls, method, params }))
      return call.promise
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

import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { identify, isRunning, type ProcessIdentity } from './identity.ts'

/** Held until disposed, or until this process ends, however it ends. */
export interface Lock extends AsyncDisposable {
  path: string
}

/**
 * Takes the lock at `path`, or returns its holder. The file names the holder, so a lock whose holder was killed is void. The file appears
 * with its whole content at once (link), and only one process can take a void lock away (rename).
 */
export async function tryLock(path: string): Promise<Lock | { heldBy: ProcessIdentity }> {
  await mkdir(dirname(path), { recursive: true })
  const own = `${path}.${randomUUID()}`
  await writeFile(own, JSON.stringify(await identify(process.pid)))
  try {
    for (;;) {
      if (await linked(own, path)) return { path, [Symbol.asyncDispose]: () => rm(path, { force: true }) }
      const holder = await holderOf(path)
      if (holder !== null && (await isRunning(holder))) return { heldBy: holder }
      await takeAway(path, `${own}.void`)
    }
  } finally {
    await rm(own, { force: true })
  }
}

/** Waits for the lock at `path`. `onWait` is called once if another process holds it. */
export async function lock(
  path: string,
  options: { signal?: AbortSignal; onWait?: (holder: ProcessIdentity) => void } = {},
): Promise<Lock> {
  for (let waited = false; ; waited = true) {
    const got = await tryLock(path)
    if ('path' in got) return got
    if (!waited) options.onWait?.(got.heldBy)
    await sleep(200, undefined, options.signal ? { signal: options.signal } : {})
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

async function holderOf(path: string): Promise<ProcessIdentity | null> {
  try {
    const { pid, started }: Record<string, unknown> = JSON.parse(await readFile(path, 'utf8'))
    return typeof pid === 'number' && typeof started === 'string' ? { pid, started } : null
  } catch {
    return null
  }
}

async function takeAway(path: string, aside: string): Promise<void> {
  try {
    await rename(path, aside)
  } catch {
    return
  }
  // Between the check and the rename a quicker process may have put a live lock there: put that one back.
  const holder = await holderOf(aside)
  if (holder !== null && (await isRunning(holder))) await linked(aside, path)
  await rm(aside, { force: true })
}

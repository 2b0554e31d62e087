import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../process/run.ts'
import { startChild, type Child, type ChildSpec } from '../process/child.ts'
import { kuboConfig, type KuboAddresses, type KuboConfig } from './kubo-config.ts'
import { writePrivate } from '../process/private-file.ts'

export interface KuboOptions extends KuboAddresses {
  name: string
  binary: string
  /** Its repository; made when absent. */
  repo: string
  /** Whether it joins the IPFS network; otherwise it speaks to loopback alone. */
  isPublic: boolean
  logFile: string
  env: NodeJS.ProcessEnv
  restartAfterMs: number | null
  onChange?: ChildSpec['onChange']
}

/** A Kubo that is kept running. */
export type KuboChild = Child & { rpcUrl: string }

/** Starts a Kubo. Each start computes its settings again from those that its `init` wrote. */
export async function startKubo(options: KuboOptions): Promise<KuboChild> {
  const env = { ...options.env, IPFS_PATH: options.repo, IPFS_TELEMETRY: 'off' }
  const initial = await initialConfig(options, env)
  const config = kuboConfig(initial, options, options.isPublic)
  await writePrivate(join(options.repo, 'config'), JSON.stringify(config, null, 2))
  const rpcUrl = `http://127.0.0.1:${options.rpcPort}`
  const child = await startChild({
    name: options.name,
    command: options.binary,
    args: ['daemon', '--migrate=true'],
    cwd: options.repo,
    env,
    user: null,
    logFile: options.logFile,
    stopSignal: 'SIGTERM',
    stopGraceMs: 10_000,
    readyWithinMs: 60_000,
    ready: (signal) => answers(rpcUrl, peerIdOf(initial), signal),
    restartAfterMs: options.restartAfterMs,
    ...(options.onChange ? { onChange: options.onChange } : {}),
  })
  return { ...child, rpcUrl }
}

/**
 * The config as `init` wrote it, kept beside the current one so that `--public` can be undone. It is made in another folder and renamed, so
 * an init that is cut off leaves nothing half made.
 */
async function initialConfig(options: KuboOptions, env: NodeJS.ProcessEnv): Promise<KuboConfig> {
  const kept = join(options.repo, 'config.initial')
  if (!existsSync(kept)) {
    const fresh = `${options.repo}.new`
    await rm(fresh, { recursive: true, force: true })
    await mkdir(fresh, { recursive: true, mode: 0o700 })
    // With pebble, a named pin costs Kubo four disk syncs; with its default datastore, five.
    await run(options.binary, ['init', '--empty-repo', '--profile=pebbleds'], {
      env: { ...env, IPFS_PATH: fresh },
      limitMs: 60_000,
    })
    await writePrivate(join(fresh, 'config.initial'), await readFile(join(fresh, 'config'), 'utf8'))
    await rename(fresh, options.repo)
  }
  const config: KuboConfig = JSON.parse(await readFile(kept, 'utf8'))
  return config
}

function peerIdOf(config: KuboConfig): unknown {
  const identity = config['Identity']
  return typeof identity === 'object' && identity !== null && 'PeerID' in identity
    ? identity.PeerID
    : undefined
}

/** Another process may listen on the port, so Kubo is ready only when the peer that answers there is this one. */
async function answers(rpcUrl: string, peerId: unknown, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      const response = await fetch(`${rpcUrl}/api/v0/id`, { method: 'POST', signal })
      const body: unknown = await response.json()
      if (typeof body === 'object' && body !== null && 'ID' in body && body.ID === peerId) return
    } catch {
      signal.throwIfAborted()
    }
    await sleep(50, undefined, { signal })
  }
}

/** Gives a Kubo a small block that nothing pins yet, so that there is something to try a pin on; returns its CID. */
export async function putGreeting(rpcUrl: string): Promise<string> {
  const form = new FormData()
  form.set('data', new Blob(['hello from anchorage\n']))
  const response = await fetch(`${rpcUrl}/api/v0/block/put?cid-codec=raw&mhtype=sha2-256`, {
    method: 'POST',
    body: form,
  })
  const said: { Key: string } = JSON.parse(await response.text())
  return said.Key
}

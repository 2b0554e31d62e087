import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../../src/dev/free-port.ts'
import { kuboConfig } from '../../src/dev/kubo-config.ts'
import { findTool } from '../../src/tools/find-tool.ts'
import { kubo } from '../../src/tools/kubo.ts'
import { patience } from '../patience.ts'

/** A real Kubo for one test file: a fresh repository, on loopback only, removed with its directory when disposed. */
export interface TestKubo extends AsyncDisposable {
  rpcUrl: string
  /** The pid of the running daemon. */
  pid: number
  /** Its repository. */
  dir: string
  /** Runs `ipfs …` on its repository, through its daemon while that runs. */
  ipfs(args: string[], input?: string | Uint8Array): Promise<string>
  /** One RPC call with the answer as text, for calls that the adapter does not offer. */
  rpc(path: string, body?: FormData): Promise<string>
  /** Sends SIGKILL or another signal; resolves once the process is gone. The repository stays. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Starts the daemon again on the same ports after `kill`. */
  restart(): Promise<void>
}

/** The parts of Kubo's config file that tests change. */
export type KuboConfig = Record<string, Record<string, unknown>>

/**
 * Starts a Kubo. `configure` may change its config before the first start. The program is `KUBO_BINARY`, else it is found or built as
 * for a node.
 */
export async function startTestKubo(configure: (config: KuboConfig) => void = () => {}): Promise<TestKubo> {
  const configured = process.env['KUBO_BINARY']
  const { path: binary } = await findTool(kubo(), { env: process.env, configured, say: () => {} })
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-kubo-'))
  const env = { ...process.env, IPFS_PATH: dir, IPFS_TELEMETRY: 'off' }
  const run = promisify(execFile)
  await run(binary, ['init', '--empty-repo'], { env })

  const rpcPort = await freePort()
  const swarmPort = await freePort(new Set([rpcPort]))
  const configFile = join(dir, 'config')
  const initial: KuboConfig = JSON.parse(await readFile(configFile, 'utf8'))
  const config = kuboConfig(initial, { rpcPort, swarmPort }, false) as KuboConfig
  configure(config)
  await writeFile(configFile, JSON.stringify(config))

  const rpcUrl = `http://127.0.0.1:${rpcPort}`
  let daemon = await startDaemon(binary, env).catch(async (error: unknown) => {
    await rm(dir, { recursive: true, force: true })
    throw error
  })
  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
    if (daemon.exitCode !== null || daemon.signalCode !== null) return
    const gone = once(daemon, 'exit')
    daemon.kill(signal)
    await gone
  }
  return {
    rpcUrl,
    get pid() {
      return daemon.pid ?? 0
    },
    dir,
    async ipfs(args, input) {
      const running = run(binary, args, { env, maxBuffer: 64 * 1024 * 1024 })
      running.child.stdin?.end(input)
      return (await running).stdout.trim()
    },
    async rpc(path, body) {
      const response = await fetch(`${rpcUrl}/api/v0/${path}`, { method: 'POST', ...(body && { body }) })
      const text = await response.text()
      if (!response.ok) throw new Error(`${path}: ${text}`)
      return text
    },
    kill,
    async restart() {
      daemon = await startDaemon(binary, env)
    },
    async [Symbol.asyncDispose]() {
      await kill('SIGKILL')
      await rm(dir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

async function startDaemon(binary: string, env: NodeJS.ProcessEnv) {
  const child = spawn(binary, ['daemon', '--migrate=false'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const note = (chunk: Buffer) => (output = (output + chunk.toString()).slice(-10_000))
  child.stdout.on('data', note)
  child.stderr.on('data', note)
  for (const deadline = Date.now() + patience.longMs; Date.now() < deadline; await sleep(20)) {
    if (output.includes('Daemon is ready')) return child
    if (child.exitCode !== null) throw new Error(`Kubo did not start: ${output}`)
  }
  child.kill('SIGKILL')
  throw new Error(`Kubo was not ready in a minute: ${output}`)
}

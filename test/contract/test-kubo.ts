import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

/** A real Kubo of its own for one test file: a fresh repository, loopback only, gone with its directory when disposed. */
export interface TestKubo extends AsyncDisposable {
  rpcUrl: string
  pid: number
  dir: string
  /** Runs `ipfs …` on this Kubo's repository, through its daemon while that is up. */
  ipfs(args: string[], input?: string | Uint8Array): Promise<string>
  /** One RPC call with the answer as text, for what the adapter does not offer. */
  rpc(path: string, body?: FormData): Promise<string>
  /** SIGKILL, or any other signal; resolves once the process is gone. The repository stays. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Starts the daemon again on the same port after `kill`. */
  restart(): Promise<void>
}

/** Starts a fenced Kubo; `configure` may change its config before the first start. */
export async function startTestKubo(configure: (config: KuboConfig) => void = () => {}): Promise<TestKubo> {
  const binary = kuboBinary()
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-kubo-'))
  const env = { ...process.env, IPFS_PATH: dir, IPFS_TELEMETRY: 'off' }
  const run = promisify(execFile)
  await run(binary, ['init', '--profile=test', '--empty-repo'], { env })
  const configFile = join(dir, 'config')
  const config: KuboConfig = JSON.parse(await readFile(configFile, 'utf8'))
  fence(config)
  configure(config)
  await writeFile(configFile, JSON.stringify(config))

  let daemon = await startDaemon(binary, env)
  // A restart must be found at the same address, as a configured Kubo's would be.
  config['Addresses'] = { ...config['Addresses'], API: `/ip4/127.0.0.1/tcp/${new URL(daemon.rpcUrl).port}` }
  await writeFile(configFile, JSON.stringify(config))
  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
    if (daemon.child.exitCode !== null || daemon.child.signalCode !== null) return
    const gone = once(daemon.child, 'exit')
    daemon.child.kill(signal)
    await gone
  }
  return {
    get rpcUrl() {
      return daemon.rpcUrl
    },
    get pid() {
      return daemon.child.pid ?? 0
    },
    dir,
    async ipfs(args, input) {
      const child = run(binary, args, { env, maxBuffer: 64 * 1024 * 1024 })
      child.child.stdin?.end(input)
      return (await child).stdout.trim()
    },
    async rpc(path, body) {
      const response = await fetch(`${daemon.rpcUrl}/api/v0/${path}`, {
        method: 'POST',
        ...(body && { body }),
      })
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

/** As much of Kubo's config file as tests touch. */
export type KuboConfig = Record<string, Record<string, unknown>>

async function startDaemon(binary: string, env: NodeJS.ProcessEnv) {
  const child = spawn(binary, ['daemon', '--migrate=false'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const note = (chunk: Buffer) => (output = (output + chunk.toString()).slice(-10_000))
  child.stdout.on('data', note)
  child.stderr.on('data', note)
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(20)) {
    const api = /RPC API server listening on \/ip4\/127\.0\.0\.1\/tcp\/(\d+)/.exec(output)
    if (api && output.includes('Daemon is ready')) return { child, rpcUrl: `http://127.0.0.1:${api[1]}` }
    if (child.exitCode !== null) throw new Error(`Kubo did not start: ${output}`)
  }
  child.kill('SIGKILL')
  throw new Error(`Kubo was not ready in a minute: ${output}`)
}

/** No bootstrap, routing, discovery or telemetry, and a dial filter over everything but loopback. */
function fence(config: KuboConfig): void {
  config['AutoConf'] = { Enabled: false }
  config['AutoTLS'] = { Enabled: false }
  config['Routing'] = { Type: 'none', DelegatedRouters: [] }
  config['Provide'] = { Enabled: false }
  config['HTTPRetrieval'] = { Enabled: false }
  config['Discovery'] = { MDNS: { Enabled: false } }
  config['Plugins'] = { Plugins: { telemetry: { Config: { Mode: 'off' } } } }
  config['Addresses'] = {
    ...config['Addresses'],
    Swarm: ['/ip4/127.0.0.1/tcp/0'],
    API: '/ip4/127.0.0.1/tcp/0',
    Gateway: '/ip4/127.0.0.1/tcp/0',
  }
  config['Swarm'] = {
    ...config['Swarm'],
    DisableNatPortMap: true,
    RelayClient: { Enabled: false },
    AddrFilters: allButLoopback,
  }
}

const allButLoopback = [
  '/ip4/0.0.0.0/ipcidr/2',
  '/ip4/64.0.0.0/ipcidr/3',
  '/ip4/96.0.0.0/ipcidr/4',
  '/ip4/112.0.0.0/ipcidr/5',
  '/ip4/120.0.0.0/ipcidr/6',
  '/ip4/124.0.0.0/ipcidr/7',
  '/ip4/126.0.0.0/ipcidr/8',
  '/ip4/128.0.0.0/ipcidr/1',
  '/ip6/2000::/ipcidr/3',
  '/ip6/fc00::/ipcidr/7',
  '/ip6/fe80::/ipcidr/10',
]

function kuboBinary(): string {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'anchorage', 'bin')
  const places = [...(process.env['PATH'] ?? '').split(delimiter), cache].map((folder) =>
    join(folder, 'ipfs'),
  )
  const found = [process.env['KUBO_BINARY'], ...places].find((path) => path && existsSync(path))
  if (!found) throw new Error('no Kubo: set KUBO_BINARY to an ipfs ≥ 0.42, or put it on PATH')
  return found
}

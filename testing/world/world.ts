import { strict as assert } from 'node:assert'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isFree } from '../../src/dev/free-port.ts'
import { apiOf, type Api } from '../clients/api.ts'
import { ownEnvironment, readDevEnv } from './dev-env.ts'
import { assertAllReplicasCurrent } from '../clients/jetstream.ts'
import { kuboRpc, type KuboRpc } from '../clients/kubo-rpc.ts'
import { patience } from '../patience.ts'
import { alive, processesOf } from './processes.ts'
import { until } from '../settle.ts'

const run = promisify(execFile)
const repo = join(import.meta.dirname, '../..')
const main = join(repo, 'src/cli/main.ts')

/** The servers of a node, which fail together with its machine. */
export type NodeServer = 'node' | 'nats' | 'kubo'
/** The processes of `anchorage dev`; `dev` is the one that starts the others. */
export type Server = NodeServer | 'postgres' | 'dev'
const ofNode: readonly NodeServer[] = ['node', 'nats', 'kubo']

/** One line of a node's log; fields such as `epoch` are only in lines that concern them. */
export interface LogLine {
  time: string
  level: string
  msg: string
  part?: string
  epoch?: number
}

/** The answer of `/v1/ready`. */
interface Readiness {
  status: string
  reasons: { what: string; reason: string }[]
}

export interface WorldOptions {
  /** The number of nodes; when not set, `dev` decides: one on fresh data. */
  nodes?: number
  /** Seconds until a dead server is started again; 0: never. */
  restartAfter?: number
  /** Whether its Kubos connect to any peer they find; for worlds in a network namespace. */
  isPublic?: boolean
  /** Environment for `anchorage dev`, which passes it on to its nodes. */
  env?: Record<string, string>
  /** The data of an earlier world, to continue with. */
  data?: string
}

/**
 * Runs `anchorage dev` as a user does: as a process of its own that is known only by its command line and its `dev.env`. Disposing
 * stops it, and fails when any of its processes is left running.
 */
export class World implements AsyncDisposable {
  readonly data: string
  readonly port: number
  readonly #options: WorldOptions
  #dev: ChildProcess
  #watch: ChildProcess | undefined
  readonly #output: string[] = []
  readonly #progress: string[] = []
  #spawnedAtMs = 0
  #stranger: Promise<Api> | undefined

  private constructor(data: string, port: number, options: WorldOptions) {
    this.data = data
    this.port = port
    this.#options = { ...options }
    this.#dev = this.#spawn()
  }

  /** Boots a node on fresh data (or on `options.data`) and resolves when its `dev.env` exists. */
  static async start(options: WorldOptions = {}): Promise<World> {
    const data = options.data ?? (await mkdtemp(join(tmpdir(), 'anchorage-test-')))
    const world = new World(data, await firstPort(), options)
    await world.#ready()
    await world.#tellBoot()
    return world
  }

  /** The current content of `dev.env`; it changes whenever a server is restarted. */
  async env(): Promise<Record<string, string>> {
    return readDevEnv(join(this.data, 'dev.env'))
  }

  /** One entry of `dev.env`. */
  async value(name: string): Promise<string> {
    const found = (await this.env())[name]
    assert.ok(found, `dev.env has no ${name}`)
    return found
  }

  /** The numbers of all nodes, from 1. */
  get nodes(): number[] {
    return Array.from({ length: this.#options.nodes ?? 1 }, (_, index) => index + 1)
  }

  /** The API of node `n` for the org and token that `dev` printed. */
  async api(n = 1): Promise<Api> {
    const env = await this.env()
    return apiOf(`${env[`NODE_URL_${n}`]}/v1`, env.ANCHORAGE_TOKEN ?? '')
  }

  /** The Kubo of node `n`. */
  async kubo(n = 1): Promise<KuboRpc> {
    return kuboRpc(await this.value(`KUBO_RPC_${n}`))
  }

  /** Makes one more org and its token, as an operator does. */
  async newOrg(slug: string): Promise<Api> {
    await this.anchorage('admin', 'create-org', slug)
    return apiOf((await this.api()).url, await this.mintToken(slug))
  }

  /** An org that has no pins and takes no part in the tests: if it can see anything, that is a leak. */
  stranger(): Promise<Api> {
    this.#stranger ??= this.newOrg('stranger')
    return this.#stranger
  }

  /** A token for an org, with every scope by default. */
  async mintToken(slug: string, scopes = 'pins:read,pins:write,pins:delete', ttl = '1d'): Promise<string> {
    return (
      await this.anchorage('admin', 'mint-token', '--org', slug, '--scopes', scopes, '--ttl', ttl)
    ).trim()
  }

  /** The pid of a server; of node `n` when each node has such a server. */
  async pid(server: Server, n = 1): Promise<number> {
    if (server === 'dev') return this.#dev.pid ?? assert.fail('dev is not running')
    return Number(await this.value(server === 'postgres' ? 'POSTGRES_PID' : variableOf(server, n)))
  }

  /** Sends SIGKILL to a server and resolves with its pid. */
  async kill(server: Server, n = 1): Promise<number> {
    return this.signal(server, 'SIGKILL', n)
  }

  async signal(server: Server, signal: NodeJS.Signals, n = 1): Promise<number> {
    const pid = await this.pid(server, n)
    process.kill(pid, signal)
    return pid
  }

  /** Resolves once `dev.env` names a running process for `server` other than `oldPid`. */
  async restarted(server: Exclude<Server, 'dev'>, oldPid: number, n = 1): Promise<number> {
    const look = async (): Promise<number | undefined> => {
      const pid = await this.pid(server, n)
      return pid !== oldPid && alive(pid) ? pid : undefined
    }
    return until(`${server} runs again\n${this.progress()}`, look, { withinMs: patience.longMs })
  }

  /** Sends SIGKILL to a node, its nats-server and its Kubo, as when its machine loses power. */
  async pullPlug(n: number): Promise<void> {
    const env = await this.env()
    for (const server of ofNode) process.kill(Number(env[variableOf(server, n)]), 'SIGKILL')
  }

  /** Restarts every server that is down (for worlds with `restartAfter: 0`) and resolves once node `n` is back with all its servers. */
  async revive(n: number): Promise<void> {
    await until(
      `node ${n} is back\n${this.progress()}`,
      async () => {
        // Sent repeatedly, because `dev` may not have noticed yet that a server is down.
        await this.signal('dev', 'SIGUSR2')
        const pids = await Promise.all(ofNode.map((server) => this.pid(server, n)))
        return pids.every(alive) && (await fetch(`${await this.value(`NODE_URL_${n}`)}/v1/health`)).ok
      },
      { withinMs: patience.longMs, everyMs: 250 },
    )
  }

  /** The directory in which the nats-server of node `n` stores its streams. */
  async jetStreamDir(n = 1): Promise<string> {
    const dir = join(this.data, `node-${n}`)
    const entries = await readdir(dir, { recursive: true, withFileTypes: true })
    const found = entries.find((entry) => entry.isDirectory() && entry.name === 'jetstream')
    assert.ok(found, `no jetstream directory below ${dir}`)
    return join(found.parentPath, found.name)
  }

  /** Runs a verb of `anchorage` with this world's `dev.env` in its environment; resolves with its standard output. */
  async anchorage(...args: string[]): Promise<string> {
    const env = { ...process.env, ...(await this.env()) }
    const { stdout } = await run(process.execPath, [main, ...args], { env, cwd: repo })
    return stdout
  }

  /** The output of `anchorage admin … --json`, which must be one document. */
  async admin<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.anchorage('admin', ...args, '--json'))
  }

  /** The answer of `/v1/ready` of node `n`. */
  async ready(n = 1): Promise<Readiness & { http: number }> {
    const response = await fetch(`${await this.value(`NODE_URL_${n}`)}/v1/ready`)
    const said: Readiness = JSON.parse(await response.text())
    return { http: response.status, ...said }
  }

  /**
   * Resolves once no node reports any problem except those of `but`, and all replicas of every stream are current: only then may the next
   * story take a nats-server away.
   */
  async well(...but: string[]): Promise<void> {
    for (const n of this.nodes) {
      const look = async (): Promise<true> => {
        const { http, reasons } = await this.ready(n)
        assert.equal(http, 200)
        assert.deepEqual(
          reasons.filter(({ what }) => !but.includes(what)),
          [],
        )
        return true
      }
      await until(`node ${n} is well\n${this.progress()}`, look, { withinMs: patience.longMs })
    }
    const replicas = this.nodes.length >= 3 ? 3 : 1
    const whole = async (): Promise<true> => {
      await assertAllReplicasCurrent(await this.value('NATS_URL'), replicas)
      return true
    }
    await until('all replicas of all streams are current', whole, { withinMs: patience.longMs, everyMs: 250 })
  }

  /** The log of node `n`, one entry for each line, oldest first. */
  async nodeLog(n = 1): Promise<LogLine[]> {
    const text = await readFile(join(this.data, 'logs', `node-${n}.log`), 'utf8')
    return text.split('\n').flatMap((line): LogLine[] => (line.startsWith('{') ? [JSON.parse(line)] : []))
  }

  /** The last lines of every node's log, for messages of failed tests. */
  async lastWords(): Promise<string> {
    const ends = this.nodes.map(async (n) => {
      const text = await readFile(join(this.data, 'logs', `node-${n}.log`), 'utf8').catch(String)
      return `node ${n}:\n${text.trimEnd().split('\n').slice(-12).join('\n')}`
    })
    return (await Promise.all(ends)).join('\n')
  }

  /** The text of all log files of this world's servers. */
  async logs(): Promise<string> {
    const entries = await readdir(this.data, { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.log'))
    const texts = await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name), 'utf8')))
    return texts.join('\n')
  }

  /** The last lines that `dev` printed. */
  output(): string {
    return this.#output.join('').split('\n').slice(-60).join('\n')
  }

  /** The last lines that `dev` printed, once one of them matches `line`: dev prints them after its servers are up. */
  async told(line: RegExp): Promise<string> {
    return until(`dev says ${line}`, () => line.test(this.output()) && this.output())
  }

  /** What `dev` reported about its servers, for messages of failed tests. */
  progress(): string {
    return this.#progress.join('').split('\n').slice(-30).join('\n')
  }

  /** Sends SIGTERM to `dev`; then none of its processes may be left running. */
  async stop(): Promise<void> {
    const pids = await this.pids()
    if (this.#dev.exitCode === null && this.#dev.signalCode === null) {
      const gone = once(this.#dev, 'exit')
      this.#dev.kill('SIGTERM')
      await Promise.race([
        gone,
        failAfter(patience.longMs, () => `dev did not stop on SIGTERM:\n${this.progress()}`),
      ])
    }
    await this.#watchIsGone()
    const left = [...new Set([...pids.filter(alive), ...(await processesOf(this.data))])]
    for (const pid of left) process.kill(pid, 'SIGKILL')
    assert.deepEqual(left, [], `orphans of ${this.data} after stop:\n${this.progress()}`)
  }

  /** Sends SIGKILL to `dev` itself, so that it cannot clean up. */
  async crash(): Promise<void> {
    const gone = once(this.#dev, 'exit')
    this.#dev.kill('SIGKILL')
    await gone
  }

  /** Starts `dev` again on the same data and port, optionally with other options. */
  async startAgain(options: Pick<WorldOptions, 'nodes' | 'restartAfter'> = {}): Promise<void> {
    Object.assign(this.#options, options)
    await rm(join(this.data, 'dev.env'), { force: true })
    this.#dev = this.#spawn()
    await this.#ready()
    await this.#tellBoot()
  }

  /** The pids of all running servers, from `dev.env` if it exists. */
  async pids(): Promise<number[]> {
    if (!existsSync(join(this.data, 'dev.env'))) return []
    const env = await this.env()
    const pids = this.nodes.flatMap((n) => ofNode.map((server) => env[variableOf(server, n)]))
    return [...pids, env.POSTGRES_PID].filter(Boolean).map(Number)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    if (this.#options.data === undefined) await rm(this.data, { recursive: true, force: true })
  }

  #spawn(): ChildProcess {
    const { restartAfter = 1, env = {}, nodes, isPublic = false } = this.#options
    const flags = { data: this.data, port: this.port, 'restart-after': restartAfter, nodes }
    const given = Object.entries(flags).filter(([, value]) => value !== undefined)
    const args = ['dev', ...given.flatMap(([name, value]) => [`--${name}`, String(value)])]
    if (isPublic) args.push('--public')
    this.#spawnedAtMs = performance.now()
    const dev = spawn(process.execPath, [main, ...args], {
      cwd: repo,
      env: { ...ownEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [dev.stdout, dev.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => this.#output.push(text))
    }
    dev.stderr.on('data', (text: string) => this.#progress.push(text))
    if (dev.pid !== undefined) this.#cleanUpAfterUs(dev.pid, dev)
    return dev
  }

  /** Ends `dev` soon after this process ends, however it ends: a shell waits for the end of a pipe that only this process holds. */
  #cleanUpAfterUs(pid: number, dev: ChildProcess): void {
    const remove = this.#options.data === undefined ? 'rm -rf "$2"' : ':'
    const script = `read _; kill -TERM $1; while kill -0 $1; do sleep 1; done; ${remove}`
    const watch = spawn('/bin/sh', ['-c', script, 'sh', String(pid), this.data], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    watch.unref()
    dev.once('exit', () => watch.kill('SIGKILL'))
    this.#watch = watch
  }

  /** Ends that shell: its command line contains our data directory, so it would look like a process that `dev` left. */
  async #watchIsGone(): Promise<void> {
    const watch = this.#watch
    if (watch === undefined || watch.exitCode !== null || watch.signalCode !== null) return
    watch.ref()
    const gone = once(watch, 'exit')
    watch.kill('SIGKILL')
    await gone
  }

  /** Prints the time of each boot, so that a suite with too many boots is noticed. */
  async #tellBoot(): Promise<void> {
    const nodes = Object.keys(await this.env()).filter((name) => /^NODE_PID_\d+$/.test(name)).length
    const tookMs = performance.now() - this.#spawnedAtMs
    process.stderr.write(
      `booted ${nodes} ${nodes === 1 ? 'node' : 'nodes'} in ${(tookMs / 1000).toFixed(1)} s\n`,
    )
  }

  async #ready(): Promise<void> {
    try {
      await until(
        'dev.env is written',
        () => {
          if (this.#dev.exitCode !== null) return 'ended'
          return existsSync(join(this.data, 'dev.env'))
        },
        { withinMs: patience.longMs },
      )
      assert.equal(this.#dev.exitCode, null, 'dev ended')
    } catch (cause) {
      this.#dev.kill('SIGKILL')
      for (const pid of await processesOf(this.data)) process.kill(pid, 'SIGKILL')
      throw new Error(`dev did not come up:\n${this.progress()}`, { cause })
    }
  }
}

function variableOf(server: NodeServer, n: number): string {
  return `${server.toUpperCase()}_PID_${n}`
}

/** The first of enough consecutive free ports for a world that grows. */
/** The first of five free ports. They lie below the ports that `anchorage dev` gives to servers, so that no two worlds take one port. */
async function firstPort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 9_990)
    const free = await Promise.all([0, 1, 2, 3, 4].map((more) => isFree(port + more)))
    if (free.every(Boolean)) return port
  }
}

async function failAfter(ms: number, message: () => string): Promise<never> {
  const timer = AbortSignal.timeout(ms)
  await once(timer, 'abort')
  throw new Error(message())
}

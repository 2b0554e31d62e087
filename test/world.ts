import { strict as assert } from 'node:assert'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort, isFree } from '../src/dev/free-port.ts'
import { apiOf, type Api } from './api.ts'
import { ownEnvironment, readDevEnv } from './dev-env.ts'
import { assertAllReplicasCurrent } from './jetstream.ts'
import { kuboRpc, type KuboRpc } from './kubo-rpc.ts'
import { patience } from './patience.ts'
import { alive, processesOf } from './processes.ts'
import { until } from './settle.ts'

const run = promisify(execFile)
const repo = join(import.meta.dirname, '..')
const main = join(repo, 'src/cli/main.ts')

/** The servers of a node, which go down with its machine. */
export type NodeServer = 'node' | 'nats' | 'kubo'
/** What `anchorage dev` consists of; `dev` is the process that started them all. */
export type Server = NodeServer | 'postgres' | 'dev'
const ofNode: readonly NodeServer[] = ['node', 'nats', 'kubo']

/** One line of a node's log; `epoch` and such stand in lines that are about them. */
export interface LogLine {
  time: string
  level: string
  msg: string
  part?: string
  epoch?: number
}

/** What `/v1/ready` answers. */
interface Readiness {
  status: string
  reasons: { what: string; reason: string }[]
}

export interface WorldOptions {
  /** How many nodes; without it, as `dev` decides: one on fresh data. */
  nodes?: number
  /** Seconds until a server that died is started again; 0 never. */
  restartAfter?: number
  /** Whether its Kubos speak to whoever they find; for worlds in a network of their own. */
  isPublic?: boolean
  /** Environment for `anchorage dev`, which passes it on to its nodes. */
  env?: Record<string, string>
  /** Data of an earlier world, to be gone on with. */
  data?: string
}

/**
 * `anchorage dev` as a user runs it: a process of its own that is known only by its command line and its `dev.env`.
 * Disposing stops it and fails when anything of it is left running.
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

  /** Boots a node on fresh data (or on `options.data`) and resolves when its `dev.env` stands. */
  static async start(options: WorldOptions = {}): Promise<World> {
    const data = options.data ?? (await mkdtemp(join(tmpdir(), 'anchorage-test-')))
    const world = new World(data, await firstPort(), options)
    await world.#ready()
    await world.#tellBoot()
    return world
  }

  /** What `dev.env` says now; it changes whenever a server was started again. */
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

  /** A further org and its token, made the way an operator makes them. */
  async newOrg(slug: string): Promise<Api> {
    await this.anchorage('admin', 'create-org', slug)
    return apiOf((await this.api()).url, await this.mintToken(slug))
  }

  /** An org that has no pins and no part in what happens: whoever sees something through it saw too much. */
  stranger(): Promise<Api> {
    this.#stranger ??= this.newOrg('stranger')
    return this.#stranger
  }

  /** A token for an org, with every scope unless told otherwise. */
  async mintToken(slug: string, scopes = 'pins:read,pins:write,pins:delete', ttl = '1d'): Promise<string> {
    return (
      await this.anchorage('admin', 'mint-token', '--org', slug, '--scopes', scopes, '--ttl', ttl)
    ).trim()
  }

  /** Of node `n`, where each node has one. */
  async pid(server: Server, n = 1): Promise<number> {
    if (server === 'dev') return this.#dev.pid ?? assert.fail('dev is not running')
    return Number(await this.value(server === 'postgres' ? 'POSTGRES_PID' : variableOf(server, n)))
  }

  /** SIGKILLs a server and resolves with the pid that it had. */
  async kill(server: Server, n = 1): Promise<number> {
    return this.signal(server, 'SIGKILL', n)
  }

  async signal(server: Server, signal: NodeJS.Signals, n = 1): Promise<number> {
    const pid = await this.pid(server, n)
    process.kill(pid, signal)
    return pid
  }

  /** Resolves once `dev.env` names a living process for `server` other than `oldPid`. */
  async restarted(server: Exclude<Server, 'dev'>, oldPid: number, n = 1): Promise<number> {
    const look = async (): Promise<number | undefined> => {
      const pid = await this.pid(server, n)
      return pid !== oldPid && alive(pid) ? pid : undefined
    }
    return until(`${server} runs again\n${this.progress()}`, look, { withinMs: patience.longMs })
  }

  /** SIGKILLs a node with its nats-server and its Kubo, as when its machine loses power. */
  async pullPlug(n: number): Promise<void> {
    const env = await this.env()
    for (const server of ofNode) process.kill(Number(env[variableOf(server, n)]), 'SIGKILL')
  }

  /** Starts again whatever is down (for worlds with `restartAfter: 0`) and resolves once node `n` is back with all its servers. */
  async revive(n: number): Promise<void> {
    await until(
      `node ${n} is back\n${this.progress()}`,
      async () => {
        // Again and again: `dev` may not have noticed yet that something is down.
        await this.signal('dev', 'SIGUSR2')
        const pids = await Promise.all(ofNode.map((server) => this.pid(server, n)))
        return pids.every(alive) && (await fetch(`${await this.value(`NODE_URL_${n}`)}/v1/health`)).ok
      },
      { withinMs: patience.longMs, everyMs: 250 },
    )
  }

  /** Where the nats-server of node `n` keeps its streams. */
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

  /** What `anchorage admin … --json` says: one document. */
  async admin<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.anchorage('admin', ...args, '--json'))
  }

  /** What `/v1/ready` of node `n` says. */
  async ready(n = 1): Promise<Readiness & { http: number }> {
    const response = await fetch(`${await this.value(`NODE_URL_${n}`)}/v1/ready`)
    const said: Readiness = JSON.parse(await response.text())
    return { http: response.status, ...said }
  }

  /**
   * Resolves once no node says that anything but `but` is wrong, and every stream is whole on all nats-servers: only then may the next
   * story take one of them away.
   */
  async well(but?: string): Promise<void> {
    for (const n of this.nodes) {
      const look = async (): Promise<true> => {
        const { http, reasons } = await this.ready(n)
        assert.equal(http, 200)
        assert.deepEqual(
          reasons.filter(({ what }) => what !== but),
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

  /** What node `n` logged, a line each, oldest first. */
  async nodeLog(n = 1): Promise<LogLine[]> {
    const text = await readFile(join(this.data, 'logs', `node-${n}.log`), 'utf8')
    return text.split('\n').flatMap((line): LogLine[] => (line.startsWith('{') ? [JSON.parse(line)] : []))
  }

  /** The end of every node's log, for messages of failed tests. */
  async lastWords(): Promise<string> {
    const ends = this.nodes.map(async (n) => {
      const text = await readFile(join(this.data, 'logs', `node-${n}.log`), 'utf8').catch(String)
      return `node ${n}:\n${text.trimEnd().split('\n').slice(-12).join('\n')}`
    })
    return (await Promise.all(ends)).join('\n')
  }

  /** All that the servers of this world logged into files. */
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

  /** The same, once a line of it is like `line`: dev says it after its servers are there. */
  async told(line: RegExp): Promise<string> {
    return until(`dev says ${line}`, () => line.test(this.output()) && this.output())
  }

  /** What `dev` told of its servers, for messages of failed tests. */
  progress(): string {
    return this.#progress.join('').split('\n').slice(-30).join('\n')
  }

  /** SIGTERM to `dev`, then nothing of it may be left running. */
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

  /** SIGKILLs `dev` itself, so that it can clean up nothing. */
  async crash(): Promise<void> {
    const gone = once(this.#dev, 'exit')
    this.#dev.kill('SIGKILL')
    await gone
  }

  /** Starts `dev` again on the same data and port, with other options if need be. */
  async startAgain(options: Pick<WorldOptions, 'nodes' | 'restartAfter'> = {}): Promise<void> {
    Object.assign(this.#options, options)
    await rm(join(this.data, 'dev.env'), { force: true })
    this.#dev = this.#spawn()
    await this.#ready()
    await this.#tellBoot()
  }

  /** The pids of all that runs now, as far as `dev.env` stands. */
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

  /** However this process ends, `dev` ends soon after: a shell waits for the end of a pipe that only we hold. */
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

  /** It has our data in its command line, and would pass for something that `dev` left. */
  async #watchIsGone(): Promise<void> {
    const watch = this.#watch
    if (watch === undefined || watch.exitCode !== null || watch.signalCode !== null) return
    watch.ref()
    const gone = once(watch, 'exit')
    watch.kill('SIGKILL')
    await gone
  }

  /** What worlds cost is printed, so that a suite that boots too many shows it. */
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

/** The first of enough free ports in a row for a world that grows. */
async function firstPort(): Promise<number> {
  for (;;) {
    const port = await freePort()
    const next = await Promise.all([1, 2, 3, 4].map((more) => isFree(port + more)))
    if (next.every(Boolean)) return port
  }
}

async function failAfter(ms: number, message: () => string): Promise<never> {
  const timer = AbortSignal.timeout(ms)
  await once(timer, 'abort')
  throw new Error(message())
}

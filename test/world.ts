import { strict as assert } from 'node:assert'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { apiOf, type Api } from './api.ts'
import { alive, processesOf } from './processes.ts'
import { until } from './settle.ts'

const run = promisify(execFile)
const repo = join(import.meta.dirname, '..')
const main = join(repo, 'src/cli/main.ts')

/** The servers that one dev node consists of; `dev` is the process that started them all. */
export type Server = 'node' | 'nats' | 'kubo' | 'postgres' | 'dev'

export interface WorldOptions {
  /** Seconds until a server that died is started again; 0 never. */
  restartAfter?: number
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
  #output: string[]

  private constructor(data: string, port: number, options: WorldOptions) {
    this.data = data
    this.port = port
    this.#options = options
    this.#output = []
    this.#dev = this.#spawn()
  }

  /** Boots a node on fresh data (or on `options.data`) and resolves when its `dev.env` stands. */
  static async start(options: WorldOptions = {}): Promise<World> {
    const data = options.data ?? (await mkdtemp(join(tmpdir(), 'anchorage-test-')))
    const world = new World(data, await freePort(), options)
    await world.#ready()
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

  /** The API of the org and token that `dev` printed. */
  async api(): Promise<Api> {
    const env = await this.env()
    return apiOf(env.ANCHORAGE_URL ?? '', env.ANCHORAGE_TOKEN ?? '')
  }

  /** A further org and its token, made the way an operator makes them. */
  async newOrg(slug: string): Promise<Api> {
    await this.anchorage('admin', 'create-org', slug)
    return apiOf((await this.api()).url, await this.mintToken(slug))
  }

  /** A token for an org, with every scope unless told otherwise. */
  async mintToken(slug: string, scopes = 'pins:read,pins:write,pins:delete', ttl = '1d'): Promise<string> {
    return (
      await this.anchorage('admin', 'mint-token', '--org', slug, '--scopes', scopes, '--ttl', ttl)
    ).trim()
  }

  async pid(server: Server): Promise<number> {
    if (server === 'dev') return this.#dev.pid ?? assert.fail('dev is not running')
    const name = { node: 'NODE_PID_1', nats: 'NATS_PID_1', kubo: 'KUBO_PID_1', postgres: 'POSTGRES_PID' }[
      server
    ]
    return Number(await this.value(name))
  }

  /** SIGKILLs a server and resolves with the pid that it had. */
  async kill(server: Server): Promise<number> {
    return this.signal(server, 'SIGKILL')
  }

  async signal(server: Server, signal: NodeJS.Signals): Promise<number> {
    const pid = await this.pid(server)
    process.kill(pid, signal)
    return pid
  }

  /** Resolves once `dev.env` names a living process for `server` other than `oldPid`. */
  async restarted(server: Exclude<Server, 'dev'>, oldPid: number): Promise<number> {
    return until(`${server} runs again\n${this.output()}`, async () => {
      const pid = await this.pid(server)
      return pid !== oldPid && alive(pid) ? pid : undefined
    })
  }

  /** Where this world's nats-server keeps its streams. */
  async jetStreamDir(): Promise<string> {
    const entries = await readdir(this.data, { recursive: true, withFileTypes: true })
    const found = entries.find((entry) => entry.isDirectory() && entry.name === 'jetstream')
    assert.ok(found, `no jetstream directory below ${this.data}`)
    return join(found.parentPath, found.name)
  }

  /** Runs a verb of `anchorage` with this world's `dev.env` in its environment; resolves with its standard output. */
  async anchorage(...args: string[]): Promise<string> {
    const env = { ...process.env, ...(await this.env()) }
    const { stdout } = await run(process.execPath, [main, ...args], { env, cwd: repo })
    return stdout
  }

  /** All that the servers of this world logged into files. */
  async logs(): Promise<string> {
    const entries = await readdir(this.data, { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.log'))
    const texts = await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name), 'utf8')))
    return texts.join('\n')
  }

  /** The last lines that `dev` printed, for messages of failed tests. */
  output(): string {
    return this.#output.join('').split('\n').slice(-60).join('\n')
  }

  /** SIGTERM to `dev`, then nothing of it may be left running. */
  async stop(): Promise<void> {
    const pids = await this.pids()
    if (this.#dev.exitCode === null && this.#dev.signalCode === null) {
      const gone = once(this.#dev, 'exit')
      this.#dev.kill('SIGTERM')
      await Promise.race([gone, failAfter(45_000, () => `dev did not stop on SIGTERM:\n${this.output()}`)])
    }
    await this.#watchIsGone()
    const left = [...new Set([...pids.filter(alive), ...(await processesOf(this.data))])]
    for (const pid of left) process.kill(pid, 'SIGKILL')
    assert.deepEqual(left, [], `orphans of ${this.data} after stop:\n${this.output()}`)
  }

  /** SIGKILLs `dev` itself, so that it can clean up nothing. */
  async crash(): Promise<void> {
    const gone = once(this.#dev, 'exit')
    this.#dev.kill('SIGKILL')
    await gone
  }

  /** Starts `dev` again on the same data and port. */
  async startAgain(): Promise<void> {
    await rm(join(this.data, 'dev.env'), { force: true })
    this.#dev = this.#spawn()
    await this.#ready()
  }

  /** The pids of all that runs now, as far as `dev.env` stands. */
  async pids(): Promise<number[]> {
    if (!existsSync(join(this.data, 'dev.env'))) return []
    const env = await this.env()
    return [env.NODE_PID_1, env.NATS_PID_1, env.KUBO_PID_1, env.POSTGRES_PID].filter(Boolean).map(Number)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    if (this.#options.data === undefined) await rm(this.data, { recursive: true, force: true })
  }

  #spawn(): ChildProcess {
    const { restartAfter = 1, env = {} } = this.#options
    const args = [
      'dev',
      '--data',
      this.data,
      '--port',
      String(this.port),
      '--restart-after',
      String(restartAfter),
    ]
    const dev = spawn(process.execPath, [main, ...args], {
      cwd: repo,
      env: { ...ownEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [dev.stdout, dev.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => this.#output.push(text))
    }
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

  async #ready(): Promise<void> {
    try {
      await until(
        'dev.env is written',
        () => {
          if (this.#dev.exitCode !== null) return 'ended'
          return existsSync(join(this.data, 'dev.env'))
        },
        { withinMs: 90_000 },
      )
      assert.equal(this.#dev.exitCode, null, 'dev ended')
    } catch (cause) {
      this.#dev.kill('SIGKILL')
      for (const pid of await processesOf(this.data)) process.kill(pid, 'SIGKILL')
      throw new Error(`dev did not come up:\n${this.output()}`, { cause })
    }
  }
}

/** Reads `dev.env` the way its users do: a shell sources it. */
async function readDevEnv(file: string): Promise<Record<string, string>> {
  const script = 'set -a; . "$1"; exec env -0'
  const { stdout } = await run('/bin/sh', ['-c', script, 'sh', file], {
    env: { PATH: process.env.PATH ?? '' },
  })
  const pairs = stdout.split('\0').filter(Boolean)
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  )
}

/** Our environment without what would point the world at somebody else's servers. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const foreign =
    /^(ANCHORAGE_(?!NATS_BINARY)|DATABASE_|NATS_|NODE_(URL|PID|ID|CONFIG)_|KUBO_(RPC|PID)_|NODE_TEST_CONTEXT)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)))
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  server.close()
  await once(server, 'close')
  return address.port
}

async function failAfter(ms: number, message: () => string): Promise<never> {
  const timer = AbortSignal.timeout(ms)
  await once(timer, 'abort')
  throw new Error(message())
}

import { strict as assert } from 'node:assert'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { natsPassword, natsPaths, natsUser } from '../../src/cluster/nats-config.ts'
import { freePort } from '../../src/dev/free-port.ts'
import { dropPostgresPlace, postgresPlace } from '../../src/dev/postgres-place.ts'
import { startPostgres } from '../../src/dev/postgres.ts'
import { postgresUser } from '../../src/dev/postgres-user.ts'
import { startTestKubo } from '../../testing/servers/kubo.ts'
import { assertAllReplicasCurrent } from '../../testing/clients/jetstream.ts'
import { alive } from '../../testing/world/processes.ts'
import { patience } from '../../testing/patience.ts'
import { until } from '../../testing/settle.ts'
import type { Block } from '../../testing/runbook-page.ts'
import { makePrograms, playedBy, runText, type StandIn } from './shell.ts'

/** A systemctl that starts anchorage as its unit does. Its Kubo runs from the beginning. */
const systemctl = `#!/bin/sh -eu
pid=$(cat "$HOME/serve.pid" 2>/dev/null || true)
runs() { [ -n "$pid" ] && grep -q '^State:.[^Z]' "/proc/$pid/status" 2>/dev/null; }
start() { runs || { setsid anchorage serve >>"$HOME/serve.log" 2>&1 & echo $! >"$HOME/serve.pid"; }; }
stop() { if runs; then kill "$pid"; while runs; do sleep 0.1; done; fi; }
case "$*" in
  "enable --now anchorage-kubo") curl -fsS -o /dev/null -X POST "$KUBO_RPC/api/v0/id" ;;
  "enable --now anchorage" | "start anchorage") start ;;
  "stop anchorage") stop ;;
  "restart anchorage") stop; start ;;
  *) echo "not known: $*" >&2; exit 1 ;;
esac
`

interface Machine {
  root: string
  home: string
  http: number
  nats: number
  env: Record<string, string>
  standIns: StandIn[]
}

/**
 * The machines anchor-1, -2, … of the pages, each with only the program and a Kubo, and a Postgres in which only the statements of a
 * page have run. Each machine is a folder and a loopback address.
 */
export class FreshMachines implements AsyncDisposable {
  readonly #dir: string
  readonly #running = new AsyncDisposableStack()
  readonly #taken = new Set<number>()
  readonly #machines = new Map<number, Machine>()
  readonly #databases = new Map<string, { port: number; stop: () => Promise<void> }>()

  private constructor(dir: string) {
    this.#dir = dir
    this.#running.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }))
  }

  static async start(): Promise<FreshMachines> {
    const machines = new FreshMachines(await mkdtemp(join(tmpdir(), 'anchorage-fresh-')))
    await makePrograms(machines.#bin, systemctl)
    await mkdir(join(machines.#dir, 'backups'))
    return machines
  }

  get #bin(): string {
    return join(this.#dir, 'bin')
  }

  /**
   * Starts a Postgres at `host` that is empty except for what `sql` creates as its superuser. An older one at that host is removed with
   * all its data.
   */
  async database(host: string, sql: string): Promise<void> {
    const old = this.#databases.get(host)
    await old?.stop()
    const port = old?.port ?? (await this.#port())
    const dir = join(this.#dir, host)
    await rm(dir, { recursive: true, force: true })
    await mkdir(dir)
    const server = await startPostgres({
      dataDir: await postgresPlace(dir, postgresUser()),
      port,
      logFile: join(dir, 'postgres.log'),
      bootstrapSql: playedBy(sql, [['CHOOSE', 'chosen']])
        .trim()
        .split('\n'),
      durable: true,
      env: process.env,
      restartAfterMs: null,
    })
    const stop = async (): Promise<void> => {
      this.#databases.delete(host)
      await server[Symbol.asyncDispose]()
      await dropPostgresPlace(dir)
    }
    this.#databases.set(host, { port, stop })
    if (old === undefined) this.#running.defer(async () => await this.#databases.get(host)?.stop())
  }

  /** Adds a machine with `config` in its /etc/anchorage/anchorage.yaml. */
  async add(n: number, config: string): Promise<void> {
    const root = join(this.#dir, `anchor-${n}`)
    const [home, etc] = [join(root, 'home'), join(root, 'etc')]
    for (const dir of [home, etc, join(root, 'data')]) await mkdir(dir, { recursive: true })
    const kubo = this.#running.use(await startTestKubo())
    const [http, nats, route] = [await this.#port(), await this.#port(), await this.#port()]
    this.#machines.set(n, {
      root,
      home,
      http,
      nats,
      env: {
        MACHINES: this.#dir,
        ANCHORAGE_CONFIG: join(etc, 'anchorage.yaml'),
        ANCHORAGE_NATS_CLIENT_PORT: String(nats),
        KUBO_RPC: kubo.rpcUrl,
      },
      standIns: [
        ['/etc/anchorage', etc],
        ['/var/lib/anchorage', join(root, 'data')],
        ['127.0.0.1:8080', `127.0.0.1:${http}`],
        ['127.0.0.1:5001', new URL(kubo.rpcUrl).host],
        ['/ip4/127.0.0.1/tcp/5001', `/ip4/127.0.0.1/tcp/${new URL(kubo.rpcUrl).port}`],
        // each machine has a port of its own, because they are all one machine
        [/\b(?:0\.0\.0\.0|10\.0\.0\.\d):6222\b/g, `127.0.0.${10 + n}:${route}`],
      ],
    })
    await this.configure(n, config)
    this.#running.defer(() => this.#stopServing(home))
  }

  /** Writes the config of machine `n` again. */
  async configure(n: number, config: string): Promise<void> {
    await this.write(n, '/etc/anchorage/anchorage.yaml', config)
  }

  /** Writes a file that a page shows. */
  async write(n: number, path: string, text: string): Promise<void> {
    const standIns = this.#standIns(n)
    await writeFile(playedBy(path, standIns), playedBy(text, standIns), { mode: 0o600 })
  }

  /** Runs a block on its machines, one after the other; resolves with their standard output. */
  async type({ machines, text }: Pick<Block, 'machines' | 'text'>, more: readonly StandIn[] = []) {
    let printed = ''
    for (const n of machines) {
      const { home, env } = this.#machine(n)
      printed += await runText(text, {
        bin: this.#bin,
        dir: home,
        env,
        standIns: [...more, ...this.#standIns(n)],
      })
    }
    return printed
  }

  /** Resolves once every node reports that it is ok, and JetStream is whole on all of them. */
  async well(): Promise<void> {
    const look = async (): Promise<true> => {
      for (const { http } of this.#machines.values()) {
        const answer = await fetch(`http://127.0.0.1:${http}/v1/ready`)
        const { status }: { status: string } = JSON.parse(await answer.text())
        assert.equal(status, 'ok')
      }
      const { nats, root } = this.#machine(1)
      const dir = join(root, 'data', 'nats')
      const password = await natsPassword(natsPaths(dir), dir)
      await assertAllReplicasCurrent(`nats://${natsUser}:${password}@127.0.0.1:${nats}`, this.#machines.size)
      return true
    }
    await until('all machines are well', look, { withinMs: patience.longMs, everyMs: 250 })
  }

  /** The last log lines of the nodes, for messages of failed tests. */
  async lastWords(): Promise<string> {
    const ends = [...this.#machines].map(async ([n, { home }]) => {
      const log = await readFile(join(home, 'serve.log'), 'utf8').catch(String)
      return `anchor-${n}:\n${log.trimEnd().split('\n').slice(-8).join('\n')}`
    })
    return (await Promise.all(ends)).join('\n')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.disposeAsync()
  }

  #machine(n: number): Machine {
    const machine = this.#machines.get(n)
    if (machine === undefined) throw new Error(`there is no machine anchor-${n}`)
    return machine
  }

  #standIns(n: number): StandIn[] {
    const hosts = [...this.#databases].map(([host, { port }]): StandIn => [
      new RegExp(`\\b${host}\\.internal\\b`, 'g'),
      `127.0.0.1:${port}`,
    ])
    return [
      ...this.#machine(n).standIns,
      ...hosts,
      ['CHOOSE', 'chosen'],
      ['?sslmode=verify-full', ''],
      [/\b10\.0\.0\.(?=\d\b)/g, '127.0.0.1'],
      ['/var/backups', join(this.#dir, 'backups')],
    ]
  }

  async #port(): Promise<number> {
    const port = await freePort(this.#taken)
    this.#taken.add(port)
    return port
  }

  async #stopServing(home: string): Promise<void> {
    const pid = Number(await readFile(join(home, 'serve.pid'), 'utf8').catch(() => ''))
    if (pid === 0 || !alive(pid)) return
    process.kill(pid, 'SIGTERM')
    await until('the node has stopped', () => !alive(pid), { withinMs: patience.longMs })
  }
}

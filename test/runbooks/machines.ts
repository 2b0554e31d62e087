import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { World } from '../../testing/world/world.ts'
import type { Block } from '../../testing/runbook-page.ts'
import { makePrograms, runText, type StandIn } from './shell.ts'

/** A systemctl for the servers of one of dev's nodes: it sends them the signals that systemd sends, and `dev` starts them again. */
const systemctl = `#!/bin/sh -eu
pid() { . "$DEV_ENV"; eval echo "\\$$1_PID_$MACHINE"; }
runs() { [ -n "$1" ] && grep -q '^State:.[^Z]' "/proc/$1/status" 2>/dev/null; }
verb=$1; shift
for unit; do
  case $unit in anchorage) server=NODE ;; anchorage-kubo) server=KUBO ;; *) echo "no unit $unit" >&2; exit 5 ;; esac
  case $verb in start | stop | restart) ;; *) echo "no verb $verb" >&2; exit 1 ;; esac
  old=$(pid $server)
  if [ "$verb" != start ] && runs "$old"; then kill "$old"; while runs "$old"; do sleep 0.1; done; fi
  [ "$verb" = stop ] || until runs "$(pid $server)"; do kill -USR2 "$DEV_PID"; sleep 0.3; done
done
`

/**
 * The machines anchor-1, -2 and -3 of the pages, represented by the nodes of a world that does not restart servers. Commands of a page
 * on one machine reach that node's own servers.
 */
export class Machines {
  readonly #world: World
  readonly #bin: string
  readonly #ipfsPath: string

  private constructor(world: World, bin: string, ipfsPath: string) {
    this.#world = world
    this.#bin = bin
    this.#ipfsPath = ipfsPath
  }

  /** `ipfsPath` is the repository of the reader's Kubo. */
  static async of(world: World, ipfsPath: string): Promise<Machines> {
    const bin = join(world.data, 'bin')
    await makePrograms(bin, systemctl)
    await mkdir(join(world.data, 'home'))
    return new Machines(world, bin, ipfsPath)
  }

  /** Runs a test's own commands on machine `n`. */
  async run(n: number, ...commands: string[]): Promise<string> {
    return await this.type({ machines: [n], text: commands.join('\n') })
  }

  /**
   * Runs a block on its machines, one after the other; resolves with their standard output. `more` replaces texts that change from run
   * to run.
   */
  async type({ machines, text }: Pick<Block, 'machines' | 'text'>, more: readonly StandIn[] = []) {
    let printed = ''
    for (const n of machines) printed += await this.#typeOn(n, text, more)
    return printed
  }

  async #typeOn(n: number, text: string, more: readonly StandIn[]): Promise<string> {
    const env = await this.#world.env()
    const url = env[`NODE_URL_${n}`] ?? ''
    const dir = join(this.#world.data, `node-${n}`)
    return await runText(text, {
      bin: this.#bin,
      dir: join(this.#world.data, 'home'),
      env: {
        DEV_ENV: join(this.#world.data, 'dev.env'),
        DEV_PID: env['DEV_PID'],
        MACHINE: String(n),
        IPFS_PATH: this.#ipfsPath,
        ANCHORAGE_CONFIG: env[`NODE_CONFIG_${n}`],
        ANCHORAGE_URL: `${url}/v1`,
        ANCHORAGE_TOKEN: env['ANCHORAGE_TOKEN'],
      },
      standIns: [
        ...more,
        [/\banchor-(?=\d)/g, 'dev-'],
        [
          'postgres://anchorage_owner:CHOOSE@db.internal/anchorage?sslmode=verify-full',
          env['DATABASE_URL'] ?? '',
        ],
        ['/etc/anchorage/master.key', join(this.#world.data, 'master.key')],
        ['/var/lib/anchorage-kubo/repo', join(dir, 'kubo')],
        ['/var/lib/anchorage/', `${dir}/`],
        ['http://127.0.0.1:8080', url],
        ['https://pins.example.com', url],
      ],
    })
  }
}

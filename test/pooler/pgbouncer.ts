import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { startChild, type Child } from '../../src/process/child.ts'
import { freePort } from '../../src/dev/free-port.ts'
import { postgresUser } from '../../src/dev/postgres-user.ts'
import type { TestDatabase } from '../../testing/servers/postgres.ts'

const run = promisify(execFile)

/** A release of PgBouncer with everything it needs, unpacked and not installed; disposing removes it. */
export interface PgBouncer extends AsyncDisposable {
  version: string
  dir: string
  /** The loader with its libraries and the executable: the words before PgBouncer's own arguments. */
  command: string[]
}

/** PgBouncer of a Debian release, through an apt with its lists and packages in a folder of their own. */
export async function fetchPgBouncer(suite: 'bookworm' | 'trixie'): Promise<PgBouncer> {
  await using undo = new AsyncDisposableStack()
  const dir = await realpath(await mkdtemp(join(tmpdir(), `anchorage-pgbouncer-${suite}-`)))
  undo.defer(() => rm(dir, { recursive: true }))
  await chmod(dir, 0o711)
  const [apt, debs, root] = [join(dir, 'apt'), join(dir, 'debs'), join(dir, 'root')]
  for (const path of [
    'etc/apt/preferences.d',
    'var/lib/apt/lists/partial',
    'var/lib/dpkg',
    'var/cache/apt/archives/partial',
  ])
    await mkdir(join(apt, path), { recursive: true })
  for (const path of [debs, root]) await mkdir(path)
  await writeFile(join(apt, 'var/lib/dpkg/status'), '')
  const keys = '/usr/share/keyrings/debian-archive-keyring.gpg'
  const source = `deb [signed-by=${keys}] http://deb.debian.org/debian ${suite} main\n`
  await writeFile(join(apt, 'etc/apt/sources.list'), source)
  const own = ['-o', `Dir=${apt}`, '-o', `Dir::State::status=${apt}/var/lib/dpkg/status`]
  const ask = (tool: string, ...args: string[]) =>
    run(tool, [...own, '-o', 'APT::Sandbox::User=root', '-o', 'Acquire::Languages=none', ...args], {
      cwd: debs,
    })
  await ask('apt-get', '-q', 'update')
  await ask('apt-get', '-q', 'download', ...(await withLibraries('pgbouncer', ask)))
  for (const deb of globSync('*.deb', { cwd: debs })) await run('dpkg-deb', ['-x', join(debs, deb), root])
  const [loader] = globSync(['lib/*/ld-linux-*.so.*', 'usr/lib/*/ld-linux-*.so.*'], { cwd: root })
  if (loader === undefined) throw new Error(`no loader among the packages of ${suite}`)
  const triplet = dirname(loader).split('/').at(-1) ?? ''
  const libraries = ['lib', 'usr/lib'].map((path) => join(root, path, triplet)).join(':')
  const command = [join(root, loader), '--library-path', libraries, join(root, 'usr/sbin/pgbouncer')]
  const { stdout } = await run(command[0] ?? '', [...command.slice(1), '--version'])
  const version = /PgBouncer (\S+)/.exec(stdout)?.[1] ?? stdout
  const kept = undo.move()
  return { version, dir, command, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

/** The package and its libraries, with their own dependencies, but nothing else that an installation would add. */
async function withLibraries(
  name: string,
  ask: (tool: string, ...args: string[]) => Promise<{ stdout: string }>,
): Promise<string[]> {
  const all = new Set([name])
  for (let next = [name]; next.length > 0;) {
    const { stdout } = await ask('apt-cache', 'depends', '--important', ...next)
    const needed = [...stdout.matchAll(/Depends: ((?:lib|zlib)[^\s<]+)/g)].map(([, needs = '']) => needs)
    next = [...new Set(needed)].filter((needs) => !all.has(needs))
    for (const needs of next) all.add(needs)
  }
  return [...all]
}

/** Runs PgBouncer in front of the tests' Postgres: on loopback, as an unprivileged user, and never restarted. */
export async function startPgBouncer(
  { dir, command }: PgBouncer,
  database: TestDatabase,
  settings: Record<string, string | number>,
): Promise<Child & { port: number }> {
  const user = postgresUser()
  const port = await freePort()
  const logins = [database.ownerUrl, database.tenantUrl, database.systemUrl].map((url) => new URL(url))
  const all = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'scram-sha-256',
    auth_file: join(dir, 'users'),
    ...settings,
  }
  const files = {
    users: logins.map(({ username, password }) => `"${username}" "${password}"`),
    'pgbouncer.ini': [
      '[databases]',
      `* = host=127.0.0.1 port=${logins[0]?.port}`,
      '[pgbouncer]',
      ...Object.entries(all).map(([key, value]) => `${key} = ${value}`),
    ],
  }
  for (const [name, lines] of Object.entries(files)) {
    await writeFile(join(dir, name), `${lines.join('\n')}\n`, { mode: 0o600 })
    if (user) await chown(join(dir, name), user.uid, user.gid)
  }
  const child = await startChild({
    name: 'pgbouncer',
    command: command[0] ?? '',
    args: [...command.slice(1), join(dir, 'pgbouncer.ini')],
    cwd: '/',
    env: { LC_ALL: 'C' },
    user,
    logFile: join(dir, 'log'),
    stopSignal: 'SIGINT',
    stopGraceMs: 5_000,
    readyWithinMs: 30_000,
    ready: (signal) => listening(port, signal),
    restartAfterMs: null,
  })
  return { ...child, port }
}

async function listening(port: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    try {
      return void (await once(socket, 'connect', { signal }))
    } catch {
      signal.throwIfAborted()
    } finally {
      socket.destroy()
    }
    await sleep(50, undefined, { signal })
  }
}

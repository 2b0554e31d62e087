import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startChild, type Child, type ChildSpec } from '../process/child.ts'
import { endPostgresIn } from './leftovers.ts'
import { postgresBinaries } from './postgres-binaries.ts'
import { postgresUser } from './postgres-user.ts'
import type { RunAs } from '../process/run-as.ts'
import { AnchorageError } from '../core/errors.ts'

export interface PostgresOptions {
  /** The folder of its data; made when absent. `postgresUser()` must be able to enter every folder above it. */
  dataDir: string
  port: number
  logFile: string
  /** SQL, a statement a line, run once as the bootstrap superuser, who can never log in afterwards. */
  bootstrapSql: string[]
  /** False only where the data is thrown away: commits then do not reach the disk. */
  durable: boolean
  env: NodeJS.ProcessEnv
  restartAfterMs: number | null
  onChange?: ChildSpec['onChange']
}

/** Starts the embedded Postgres on loopback, over TCP with passwords only, and stops first what an earlier run left running. */
export async function startPostgres(options: PostgresOptions): Promise<Child> {
  const user = postgresUser()
  const bin = join(await postgresBinaries(user), 'bin')
  const env = { ...options.env, LC_ALL: 'C', TZ: 'UTC' }
  if (!existsSync(options.dataDir)) await initialise(options, bin, env, user)
  const settings = {
    listen_addresses: '127.0.0.1',
    port: options.port,
    unix_socket_directories: '',
    max_connections: 200,
    shared_buffers: '128MB',
    fsync: options.durable ? 'on' : 'off',
    synchronous_commit: options.durable ? 'on' : 'off',
    full_page_writes: options.durable ? 'on' : 'off',
  }
  return startChild({
    name: 'postgres',
    command: join(bin, 'postgres'),
    args: [
      '-D',
      options.dataDir,
      ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    ],
    cwd: options.dataDir,
    env,
    user,
    logFile: options.logFile,
    stopSignal: 'SIGINT',
    stopGraceMs: 15_000,
    readyWithinMs: 60_000,
    ready: (signal) => accepting(options.dataDir, options.port, signal),
    prepare: () => clear(options.dataDir),
    restartAfterMs: options.restartAfterMs,
    ...(options.onChange ? { onChange: options.onChange } : {}),
  })
}

/**
 * Ends the processes that run on `dataDir`. Its pid file stays, because Postgres checks by it that no old backend uses the shared memory.
 * It is removed only when it would prevent the start: when a process still has its pid (a stranger by now, or a dead postmaster that was
 * not reaped), or when it names no pid because its writer was killed.
 */
async function clear(dataDir: string): Promise<void> {
  await endPostgresIn(dataDir)
  const pidFile = join(dataDir, 'postmaster.pid')
  const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).split('\n')[0])
  if (!(pid > 0) || existsSync(`/proc/${pid}`)) await rm(pidFile, { force: true })
}

async function initialise(
  options: PostgresOptions,
  bin: string,
  env: NodeJS.ProcessEnv,
  user: RunAs | null,
): Promise<void> {
  // Made in another folder and renamed when complete, so that a start that is cut off leaves nothing half made.
  const fresh = `${options.dataDir}.new`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(fresh, { recursive: true, mode: 0o700 })
  if (user) await chown(fresh, user.uid, user.gid)
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const initdb = [
    '-D',
    fresh,
    '-U',
    'postgres',
    '-A',
    'reject',
    ...locale,
    ...(options.durable ? [] : ['--no-sync']),
  ]
  await runToEnd(join(bin, 'initdb'), initdb, '', { env, user, cwd: dirname(fresh) })
  await writeFile(join(fresh, 'pg_hba.conf'), 'host all all 127.0.0.1/32 scram-sha-256\n')
  // Single-user mode needs no login at all: the superuser never gets a password.
  const said = await runToEnd(
    join(bin, 'postgres'),
    ['--single', '-D', fresh, 'postgres'],
    options.bootstrapSql.join('\n') + '\n',
    { env, user, cwd: fresh },
  )
  const errors = said.split('\n').filter((line) => /\b(ERROR|FATAL|PANIC): /.test(line))
  if (errors.length > 0)
    throw new AnchorageError('unavailable', `postgres refused its first statements: ${errors.join('; ')}`)
  await rename(fresh, options.dataDir)
}

async function runToEnd(
  command: string,
  args: string[],
  input: string,
  how: { env: NodeJS.ProcessEnv; user: RunAs | null; cwd: string },
): Promise<string> {
  const as = how.user ? { uid: how.user.uid, gid: how.user.gid } : {}
  const child = spawn(command, args, { env: how.env, cwd: how.cwd, ...as })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  child.stdin.on('error', () => undefined).end(input)
  const [code] = await once(child, 'close')
  if (code !== 0) throw new AnchorageError('unavailable', `${command} failed (${code}): ${said.trim()}`)
  return said
}

/** Another process may listen on the port, so Postgres is ready only when our own pid file says so and something listens. */
async function accepting(dataDir: string, port: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted()
    const lines = (await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
    if (lines[7]?.trim() === 'ready' && (await listens(port))) return
    await sleep(25, undefined, { signal })
  }
}

async function listens(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

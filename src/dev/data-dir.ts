import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, readdir, realpath, rm } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { tryLock, type Lock } from '../process/lock.ts'
import { freePort, isFree } from './free-port.ts'
import { endLeftovers, endPostgresIn } from './leftovers.ts'
import { dropPostgresPlace, postgresPlace } from './postgres-place.ts'
import { writePrivate } from '../process/private-file.ts'
import { postgresUser } from './postgres-user.ts'
import { AnchorageError } from '../core/errors.ts'

/** The state that `anchorage dev` keeps in its DIR, so that addresses, logins and the token stay the same. */
export interface DevState {
  ports: Record<string, number>
  passwords: { owner: string; tenant: string; system: string }
  /** How many nodes the last run had. */
  nodes: number
  /** The token of the org `dev`, and the database that knows it. */
  token: { value: string; database: string } | null
}

/** The DIR of one running `anchorage dev`; disposing releases it for the next one. */
export interface DataDir extends AsyncDisposable {
  path: string
  state: DevState
  save(): Promise<void>
  /**
   * The remembered port of that name. If it is taken or there is none, chooses `preferred` if that is free, otherwise any free port, and
   * remembers it.
   */
  port(name: string, preferred?: number): Promise<number>
  /** Makes `port` choose none of `ports`: the nodes will listen there, but do not do so yet. */
  keepFree(ports: Iterable<number>): void
  logFile(name: string): string
}

const stateFile = 'dev.json'

/**
 * Locks DIR for this process. Refuses a DIR that another `dev` uses or that holds something else, ends the servers that a killed `dev` left
 * running there, and with `reset` deletes its data first.
 */
export async function openDataDir(
  given: string,
  options: { reset: boolean; say: (line: string) => void },
): Promise<DataDir> {
  await mkdir(given, { recursive: true })
  const path = await realpath(resolve(given))
  await refuseForeign(path)
  const lock = await lockDir(path)
  try {
    const left =
      (await endLeftovers(path, 10_000)) + (await endPostgresIn(await postgresPlace(path, postgresUser())))
    if (left > 0)
      options.say(`ended ${left} ${left === 1 ? 'process' : 'processes'} that an earlier run left behind`)
    await rm(join(path, 'dev.env'), { force: true })
    if (options.reset) await reset(path)
    // Postgres may run as another user, who must be able to enter this folder; each secret in it has a private mode of its own.
    await chmod(path, postgresUser() ? 0o711 : 0o700)
    await mkdir(join(path, 'logs'), { recursive: true, mode: 0o700 })
    return await dataDir(path, lock, options.say)
  } catch (error) {
    await lock[Symbol.asyncDispose]()
    throw error
  }
}

async function dataDir(path: string, lock: Lock, say: (line: string) => void): Promise<DataDir> {
  const state = await readState(path)
  const save = () => writePrivate(join(path, stateFile), `${JSON.stringify(state, null, 2)}\n`)
  await save()
  const promised = new Set<number>()
  const isUsable = async (port: number | undefined): Promise<boolean> =>
    port !== undefined && !promised.has(port) && (await isFree(port))
  return {
    path,
    state,
    save,
    keepFree: (ports) => [...ports].forEach((port) => promised.add(port)),
    async port(name, preferred) {
      const kept = state.ports[name]
      if (kept !== undefined && (await isUsable(kept))) return kept
      const wished = preferred !== undefined && (await isUsable(preferred)) ? preferred : null
      const port = wished ?? (await freePort(new Set([...promised, ...Object.values(state.ports)])))
      if (kept !== undefined)
        say(`port ${kept} of ${name} is in use by another process; ${name} moves to ${port}`)
      state.ports[name] = port
      await save()
      return port
    },
    logFile: (name) => join(path, 'logs', `${name}.log`),
    [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose](),
  }
}

async function refuseForeign(path: string): Promise<void> {
  const ours = existsSync(join(path, stateFile))
  const there = (await readdir(path)).filter((name) => !name.startsWith('dev.lock'))
  if (!ours && there.length > 0) {
    throw new AnchorageError(
      'unavailable',
      `${path} contains other files (${there.slice(0, 3).join(', ')}): choose an empty folder, or a new one, with --data`,
    )
  }
}

async function lockDir(path: string): Promise<Lock> {
  const got = await tryLock(join(path, 'dev.lock'))
  if ('path' in got) return got
  throw new AnchorageError(
    'unavailable',
    `anchorage dev already runs on ${path} (process ${got.heldBy.pid}): stop it first, or choose another folder with --data`,
  )
}

async function reset(path: string): Promise<void> {
  await dropPostgresPlace(path)
  for (const name of await readdir(path)) {
    if (!name.startsWith('dev.lock')) await rm(join(path, name), { recursive: true, force: true })
  }
}

async function readState(path: string): Promise<DevState> {
  const text = await readFile(join(path, stateFile), 'utf8').catch(() => null)
  const password = () => randomBytes(24).toString('hex')
  if (text === null)
    return {
      ports: {},
      passwords: { owner: password(), tenant: password(), system: password() },
      nodes: 1,
      token: null,
    }
  try {
    const state: Omit<DevState, 'nodes'> & Partial<DevState> = JSON.parse(text)
    return { ...state, nodes: state.nodes ?? 1 }
  } catch (cause) {
    throw new AnchorageError(
      'unavailable',
      `${join(path, stateFile)} is damaged: start with an empty folder with --reset`,
      {
        cause,
      },
    )
  }
}

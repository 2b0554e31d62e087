import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AnchorageError } from '../core/errors.ts'
import { migrateUp } from '../store/migrate.ts'
import { findTool } from '../tools/find-tool.ts'
import { kubo } from '../tools/kubo.ts'
import { natsServer } from '../tools/nats-server.ts'
import { sideBySide } from '../tools/side-by-side.ts'
import type { Tool } from '../tools/tool.ts'
import { openDataDir } from './data-dir.ts'
import { devDatabase } from './database.ts'
import { keepEnvFile } from './dev-env.ts'
import { isFree } from './free-port.ts'
import { startLogin, type DevLogin } from './login.ts'
import { killNow, markVariable } from './leftovers.ts'
import { envOf, type DevNode } from './node-servers.ts'
import { refuseToLeaveOut, startNodes } from './nodes.ts'
import { devOrg, devToken } from './org-token.ts'
import { serverReports } from './server-reports.ts'

export interface DevOptions {
  /** DIR, with everything that is kept between runs. */
  dir: string
  /** Null for as many as at the last start on DIR, or one. */
  nodes: number | null
  /** The port of node 1; node i listens on `port` + i - 1. */
  port: number
  /** Delete the data of DIR first. */
  reset: boolean
  /** How long after its death a server is started again; null for never. */
  restartAfterMs: number | null
  /** Kubo joins the IPFS network; otherwise nothing speaks to anything but loopback. */
  isPublic: boolean
  /**
   * The environment that the servers inherit. `DATABASE_URL` names a Postgres to use instead of the embedded one; `KUBO_BINARY` and
   * `ANCHORAGE_NATS_BINARY` name the executables to run.
   */
  env: NodeJS.ProcessEnv
  /** Progress, a line at a time. */
  say: (line: string) => void
  /** Aborts the start. */
  signal: AbortSignal
}

/** Nodes with all their servers, each a process of its own; disposing stops them: nodes, then Kubos, then Postgres. */
export interface DevCluster extends AsyncDisposable {
  dir: string
  /** The base of the Pinning Services API of node 1. */
  url: string
  org: string
  token: string
  /** The users that may log in; null when logins are off, or go to another provider. */
  login: DevLogin | null
  /** The file that a shell sources; it is updated when servers are started again with new pids. */
  envFile: string
  nodes: DevNode[]
  /** The Kubo executable that was found or made. */
  kuboBinary: Tool
  /** Starts all servers that are down again now. */
  startAgain(): void
}

/**
 * Starts Postgres, migrates the schema, starts each node's Kubo and the nodes (each starts its own nats-server), and makes an org and a
 * token once.
 */
export async function startDev(options: DevOptions): Promise<DevCluster> {
  const { env, say, restartAfterMs, isPublic } = options
  await using starting = new AsyncDisposableStack()
  const dir = starting.use(await openDataDir(options.dir, options))
  starting.use(takingServersAlong(dir.path))
  const count = options.nodes ?? dir.state.nodes
  await refuseTakenPorts(options.port, count)
  dir.keepFree(Array.from({ length: count }, (_, index) => options.port + index))
  const [nats, ipfs] = await tools(options)
  const common = {
    dir,
    env: { ...env, [markVariable]: dir.path },
    restartAfterMs,
    isPublic,
    serverReports: serverReports(options),
  }

  const database = await devDatabase({ ...common, given: env['DATABASE_URL'], say })
  if (database.server) starting.use(database.server)
  await migrateUp(database.ownerUrl, dir.state.passwords, {
    info: (fields, message) => say(`${message}: ${Object.values(fields).join(', ')}`),
  })
  await refuseToLeaveOut(count, database)
  dir.state.nodes = count
  await dir.save()
  const binaries = { nats: nats.path, kubo: ipfs.path }
  const login = await startLogin(dir, { ...options, count, org: devOrg })
  if (login) starting.use(login)
  const nodes = await startNodes({ ...options, count }, starting, {
    ...common,
    database,
    binaries,
    login: login?.settings ?? {},
  })
  const [first] = nodes
  if (first === undefined) throw new AnchorageError('invalid', 'at least one node is needed')
  const token = await devToken(dir, database.name, first.configFile, common.env)

  const url = `${first.url}/v1`
  const file = join(dir.path, 'dev.env')
  starting.defer(() => rm(file, { force: true }))
  const values = envOf({ url, token, nodes, database, login })
  starting.use(await keepEnvFile(file, values, (error) => say(`cannot write ${file}: ${String(error)}`)))
  const running = starting.move()
  const dispose = () => running.disposeAsync()
  return {
    dir: dir.path,
    url,
    org: devOrg,
    token,
    login,
    envFile: file,
    nodes,
    kuboBinary: ipfs,
    startAgain() {
      for (const child of [database.server, ...nodes.map(({ kubo }) => kubo), ...nodes]) child?.startAgain()
    },
    [Symbol.asyncDispose]: dispose,
  }
}

/** Until disposed, kills the servers when this process exits for any reason, even by the last resort of a stop. */
function takingServersAlong(dir: string): Disposable {
  const lastResort = () => killNow(dir)
  process.on('exit', lastResort)
  return { [Symbol.dispose]: () => void process.off('exit', lastResort) }
}

async function refuseTakenPorts(first: number, count: number): Promise<void> {
  for (let port = first; port < first + count; port++) {
    if (await isFree(port)) continue
    const message =
      `port ${port} on 127.0.0.1 is in use: stop the process that listens there, or choose another port ` +
      'with --port'
    throw new AnchorageError('conflict', message)
  }
}

/** nats-server and Kubo, found or made. */
function tools({ env, say, signal }: DevOptions): Promise<[Tool, Tool]> {
  return sideBySide(
    signal,
    (both) => findTool(natsServer(), { env, say, signal: both, configured: env['ANCHORAGE_NATS_BINARY'] }),
    (both) => findTool(kubo(), { env, say, signal: both, configured: env['KUBO_BINARY'] }),
  )
}

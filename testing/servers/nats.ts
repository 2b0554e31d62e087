import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Log } from '../../src/core/ports.ts'
import { silentLog } from '../../src/core/silent-log.ts'
import { startNatsServer, type NatsChild, type NatsServerOptions } from '../../src/cluster/nats-server.ts'
import { findTool } from '../../src/tools/find-tool.ts'
import { natsServer } from '../../src/tools/nats-server.ts'
import { freePort } from '../../src/dev/free-port.ts'

/** A place for one nats-server of a test: a directory, a port, the executable. Disposing stops what was started there. */
export interface TestNats extends AsyncDisposable {
  binary: string
  dir: string
  port: number
  /** Starts the server as a node would. A second call starts it again in the same place. */
  start(options?: Partial<NatsServerOptions>): Promise<NatsChild>
}

/** `env` may name the executable in `NATS_SERVER_BINARY`; otherwise it is found or made as for a node. */
export async function testNats(env: NodeJS.ProcessEnv, log: Log = silentLog): Promise<TestNats> {
  const configured = env['NATS_SERVER_BINARY']
  const { path: binary } = await findTool(natsServer(), { env, configured, say: () => {} })
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-nats-'))
  const port = await freePort()
  const started = new AsyncDisposableStack()
  return {
    binary,
    dir,
    port,
    async start(options = {}) {
      const defaults = { binary, dir, clientPort: port, serverName: 'test', log, restartAfterMs: 50 }
      return started.use(await startNatsServer({ ...defaults, ...options }))
    },
    async [Symbol.asyncDispose]() {
      await started.disposeAsync()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

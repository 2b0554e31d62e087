// The program as packages contain it: bundled, outside the checkout and its node_modules, with its own Node.
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { bundle } from '../packaging/bundle.ts'
import { findTool } from '../src/tools/find-tool.ts'
import { natsServer } from '../src/tools/nats-server.ts'
import { servesAPin, type Installed } from './packages/serves-a-pin.ts'

test('the program from its bundle serves a pin end to end', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-program-'))
  try {
    await bundle(join(dir, 'lib'))
    await servesAPin(await installedIn(dir))
  } finally {
    await rm(dir, { recursive: true })
  }
})

async function installedIn(dir: string): Promise<Installed> {
  const configured = process.env['NATS_SERVER_BINARY']
  const nats = await findTool(natsServer(), { env: process.env, configured, say: () => {} })
  const program = join(dir, 'lib/program/anchorage.js')
  const [config, masterKey] = [join(dir, 'anchorage.yaml'), join(dir, 'master.key')]
  const options = { cwd: dir, env: { PATH: process.env['PATH'], HOME: dir, ANCHORAGE_CONFIG: config } }
  return {
    async configure(given) {
      const own = {
        'data.dir': join(dir, 'data'),
        'auth.masterKeyFile': masterKey,
        'nats.binary': nats.path,
      }
      const lines = Object.entries({ ...own, ...given }).map(([key, value]) => `${key}: ${value}\n`)
      await writeFile(config, lines.join(''))
      await writeFile(masterKey, randomBytes(32).toString('base64'), { mode: 0o600 })
    },
    async run(args, more = {}) {
      const env = { ...options.env, ...more }
      return (await promisify(execFile)(process.execPath, [program, ...args], { ...options, env })).stdout
    },
    serve: () =>
      spawn(process.execPath, [program, 'serve'], {
        ...options,
        detached: true,
        stdio: ['ignore', 'ignore', 'pipe'],
      }),
  }
}

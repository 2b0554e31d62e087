import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { freePort } from '../../src/dev/free-port.ts'
import { testDatabase } from '../../testing/servers/postgres.ts'
import { freshBlocks } from '../../testing/content.ts'
import { startTestKubo } from '../../testing/servers/kubo.ts'
import { kuboRpc } from '../../testing/clients/kubo-rpc.ts'
import { until } from '../../testing/settle.ts'

/** A built anchorage, wherever it is installed. */
export interface Installed {
  /** Writes its config file, and a master key beside it. */
  configure(options: Record<string, string | number>): Promise<void>
  /** Runs a verb with that config; resolves with what it printed, rejects when it fails. */
  run(args: string[], env?: Record<string, string>): Promise<string>
  /** Starts `anchorage serve`, in a process group of its own. */
  serve(): ChildProcess
}

/**
 * Sets it up as an operator would, with a real Postgres and a real Kubo, and serves a pin with it; every verb is run by the built
 * program.
 */
export async function servesAPin(installed: Installed): Promise<void> {
  await using database = await testDatabase()
  await using kubo = await startTestKubo()
  const port = await freePort()
  await installed.configure({
    'database.url': database.tenantUrl,
    'database.systemUrl': database.systemUrl,
    'http.listen': `127.0.0.1:${port}`,
    'nats.clientPort': await freePort(new Set([port])),
    'kubo.rpc': kubo.rpcUrl,
    'node.name': 'packaged',
  })
  assert.match(await installed.run(['config', 'check']), /complete/)
  // The checkout migrated the database: the packaged migrations must be the same.
  const status = await installed.run(['migrate', 'status'], {
    ANCHORAGE_DATABASE_OWNER_URL: database.ownerUrl,
  })
  assert.match(status, /applied/)

  const node = installed.serve()
  const log = text(node.stderr ?? assert.fail())
  const ended = once(node, 'close')
  try {
    const url = `http://127.0.0.1:${port}`
    await until('the node is ready', async () => {
      assert.equal(node.exitCode, null, 'the node has ended')
      return (await fetch(`${url}/v1/ready`)).ok
    })
    await pinOne(installed, `${url}/v1`, kubo.rpcUrl)
    // Files that the program reads from its own folder.
    for (const path of [
      '/',
      '/pages/account.js',
      '/v1/docs',
      '/v1/docs/static/swagger-ui.css',
      '/v1/openapi.json',
    ])
      assert.equal((await fetch(`${url}${path}`)).status, 200, path)
  } finally {
    if (node.exitCode === null) process.kill(-(node.pid ?? assert.fail()), 'SIGTERM')
    await ended
  }
  assert.match(await log, /this node has stopped/)
}

async function pinOne(installed: Installed, url: string, rpcUrl: string): Promise<void> {
  await installed.run(['admin', 'create-org', 'acme'])
  const scopes = 'pins:read,pins:write,pins:delete'
  const mint = ['admin', 'mint-token', '--org', 'acme', '--scopes', scopes, '--ttl', '1h']
  const access = { ANCHORAGE_URL: url, ANCHORAGE_TOKEN: (await installed.run(mint)).trim() }
  const blocks = await freshBlocks(1)
  const kubo = kuboRpc(rpcUrl)
  await kubo.put(blocks)
  const cid = blocks[0]?.cid ?? assert.fail()
  const added = await installed.run(['pin', 'add', cid, '--json'], access)
  assert.match(added, /"status":\s*"pinned"/)
  assert.ok((await kubo.pins()).has(cid))
  assert.match(await installed.run(['pin', 'ls'], access), new RegExp(cid))
  assert.match(await installed.run(['admin', 'nodes']), /packaged/)
}

// Worlds of its own: it tests how they start, stop and start again.
import { strict as assert } from 'node:assert'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, realpath, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { alive } from '../testing/world/processes.ts'
import { until } from '../testing/settle.ts'
import { freePort } from '../src/dev/free-port.ts'
import { World } from '../testing/world/world.ts'

const run = promisify(execFile)
const main = join(import.meta.dirname, '../src/cli/main.ts')
const servers = ['node', 'nats', 'kubo', 'postgres'] as const

/** Runs an `anchorage dev` that must refuse to start; returns its output and exit code. */
async function refused(...args: string[]): Promise<{ code: number | null; said: string }> {
  const dev = spawn(process.execPath, [main, 'dev', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  dev.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const [code] = await once(dev, 'close')
  return { code, said }
}

describe('anchorage dev', () => {
  let world: World
  before(async () => void (world = await World.start({ restartAfter: 0.2 })))
  after(() => world[Symbol.asyncDispose]())

  test('dev.env is private and names the servers themselves', async () => {
    assert.equal((await stat(join(world.data, 'dev.env'))).mode & 0o777, 0o600)
    const names = { node: /main\.ts.serve/, nats: /nats\.conf/, kubo: /daemon/, postgres: /postgres.-D/ }
    for (const server of servers) {
      assert.match(await readFile(`/proc/${await world.pid(server)}/cmdline`, 'utf8'), names[server])
    }
    const health = await fetch(`${await world.value('NODE_URL_1')}/v1/health`)
    assert.equal(JSON.parse(await health.text()).node.id, await world.value('NODE_ID_1'))
    assert.equal(await world.value('NODE_CONFIG_1'), await world.value('ANCHORAGE_CONFIG'))
  })

  test('the printed lines work when they are pasted', async () => {
    const said = await world.told(/^ {2}.+ pin remote add .*\n/m)
    const curl = /^ {2}(curl .*)$/m.exec(said)?.[1] ?? assert.fail(`no curl line in\n${said}`)
    // The exact line, but with a shell function for curl: the machine need not have curl.
    const script = `curl() { printf '%s\\0' "$@"; }\n${curl}`
    const [, method, url = '', , authorization = '', , type = '', , body] = (
      await run('/bin/sh', ['-c', script])
    ).stdout.split('\0')
    assert.equal(method, 'POST')
    const headers = Object.fromEntries([authorization, type].map((header) => header.split(': ')))
    const response = await fetch(url, { method: 'POST', headers, body: body ?? '' })
    assert.equal(response.status, 202)
    const cid = JSON.parse(String(body)).cid

    const repo = await mkdtemp(join(tmpdir(), 'anchorage-ipfs-'))
    const env = { ...process.env, IPFS_PATH: repo, IPFS_TELEMETRY: 'off' }
    const lines = said.split('\n').filter((line) => /^ {2}.+ pin remote (service )?add /.test(line))
    assert.equal(lines.length, 2)
    const ipfs = lines[0]?.trim().split(' pin remote ')[0]
    await run('/bin/sh', ['-c', `${ipfs} init --profile=test --empty-repo`], { env })
    for (const line of lines) await run('/bin/sh', ['-c', line], { env })
    await rm(repo, { recursive: true })

    const pins = await fetch(`${await world.value('KUBO_RPC_1')}/api/v0/pin/ls?type=recursive&arg=${cid}`, {
      method: 'POST',
    })
    assert.ok(pins.ok, await pins.text())
  })

  test('a second dev on the same data is refused, with who uses it', async () => {
    const { code, said } = await refused('--data', world.data, '--port', String(await freePort()))
    assert.equal(code, 1)
    assert.match(said, new RegExp(`already runs on .*process ${await world.pid('dev')}\\)`))
    for (const server of servers) assert.ok(alive(await world.pid(server)), server)
  })

  test('each server that is killed is started again, and dev.env is updated', async () => {
    for (const server of servers) await world.restarted(server, await world.kill(server))
    await until('the node is well again', async () => {
      const ready = await fetch(`${await world.value('NODE_URL_1')}/v1/ready`).catch(() => null)
      return ready?.ok && JSON.parse(await ready.text()).status === 'ok'
    })
  })

  test('after a kill of dev and its node, the next start ends the remaining servers, keeps the data, and touches no other process', async () => {
    const { token, url } = await world.api()
    const before_ = await Promise.all(servers.map((server) => world.pid(server)))
    const stranger = spawn('sleep', ['600'], { cwd: world.data, env: { OF: await realpath(world.data) } })
    await world.kill('node')
    await world.crash()
    await world.startAgain()
    assert.deepEqual(before_.filter(alive), [])
    assert.ok(stranger.kill('SIGKILL'))
    assert.equal((await world.api()).token, token)
    const list = await fetch(`${url}/pins?status=pinned`, { headers: { authorization: `Bearer ${token}` } })
    assert.ok(JSON.parse(await list.text()).count > 0)
  })
})

test('with --restart-after 0 a server that died stays down, and the other servers keep running', async () => {
  await using world = await World.start({ restartAfter: 0 })
  for (const server of ['nats', 'kubo'] as const) {
    const pid = await world.kill(server)
    await until(`${server} is gone`, () => !alive(pid))
  }
  await delay(1_500)
  for (const server of ['nats', 'kubo'] as const) assert.equal(alive(await world.pid(server)), false, server)
  const ready = await fetch(`${await world.value('NODE_URL_1')}/v1/ready`)
  assert.equal(ready.status, 200)
  assert.equal(JSON.parse(await ready.text()).status, 'degraded')
})

test('a port in use is an error that names it, and no process or file is left behind', async () => {
  const data = await mkdtemp(join(tmpdir(), 'anchorage-port-'))
  const stranger = createServer().listen(0, '127.0.0.1')
  await once(stranger, 'listening')
  const address = stranger.address()
  const port = typeof address === 'object' ? address?.port : assert.fail()
  const { code, said } = await refused('--data', data, '--port', String(port))
  stranger.close()
  assert.equal(code, 1)
  assert.match(said, new RegExp(`port ${port} .*is in use.*--port`))
  await rm(data, { recursive: true })
})

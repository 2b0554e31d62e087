import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { until } from '../../../testing/settle.ts'
import { loadConfig } from '../../config/config.ts'
import { connectNats } from '../../cluster/nats-link.ts'
import { mintId } from '../../core/ids.ts'
import { freePort } from '../../dev/free-port.ts'
import { silentLog } from '../../core/silent-log.ts'
import { testNats } from '../../../testing/servers/nats.ts'
import type { Finding } from './finding.ts'
import { checkNats } from './nats.ts'

const { signal } = new AbortController()

test('an outside NATS is ok once it acknowledged a message; with a wrong password, or unreachable, it fails', async () => {
  await using nats = await testNats(process.env)
  const server = await nats.start()
  const { url } = server
  assert.deepEqual(states(await look(url)), { nats: 'ok', 'nats publish': 'skip', 'nats sync': 'skip' })
  {
    await using link = connectNats({ url, nodeId: mintId('nod'), log: silentLog })
    await until('the streams', () => link.trouble() === null)
  }
  const whole = await look(url)
  assert.deepEqual(states(whole), { nats: 'ok', 'nats publish': 'ok', 'nats sync': 'skip' })
  assert.match(whole[1]?.says ?? '', /^a message was acknowledged after \d+ms; one server stores it$/)
  const stranger = new URL(url)
  stranger.password = 'pa55word'
  const refused = await look(stranger.href)
  assert.deepEqual(states(refused), { nats: 'fail' })
  assert.match(refused[0]?.says ?? '', /authorization/i)
  assert.doesNotMatch(JSON.stringify(refused), /pa55word/)
  await server[Symbol.asyncDispose]()
  const away = await look(url)
  assert.deepEqual(states(away), { nats: 'fail' })
  assert.match(away[0]?.says ?? '', /ECONNREFUSED 127\.0\.0\.1:\d+/)
  assert.match(away[0]?.advice ?? '', /nats\.url/)
})

test('for a node that does not run, its executable and the way to the other nodes are checked', async () => {
  await using nats = await testNats(process.env)
  const sibling = createServer().listen(0, '127.0.0.1')
  await once(sibling, 'listening')
  const address = sibling.address()
  const reached = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const lost = `127.0.0.1:${await freePort()}`
  const own = '127.0.0.1:6222'
  const look = async (members: string[], binary = nats.binary) => {
    const env = {
      ANCHORAGE_NATS_BINARY: binary,
      ANCHORAGE_NATS_CLUSTER_LISTEN: own,
      ANCHORAGE_NATS_CLUSTER_MEMBERS: [own, ...members].join(),
    }
    return await checkNats({ config: loadConfig({ env }), node: null }, signal)
  }
  try {
    assert.deepEqual(states(await look([reached])), {
      'nats-server': 'ok',
      nats: 'skip',
      'nats routes': 'ok',
    })
    const found = await look([reached, lost], '/bin/false')
    assert.deepEqual(states(found), { 'nats-server': 'fail', nats: 'skip', 'nats routes': 'warn' })
    assert.match(found.at(-1)?.says ?? '', new RegExp(`^${lost} cannot be reached$`))
    assert.match(found[0]?.says ?? '', /\/bin\/false/)
    assert.match(found[0]?.advice ?? '', /^Install nats-server/)
  } finally {
    sibling.close()
  }
})

async function look(url: string): Promise<Finding[]> {
  return await checkNats({ config: loadConfig({ env: { ANCHORAGE_NATS_URL: url } }), node: null }, signal)
}

function states(found: Finding[]): Record<string, string> {
  return Object.fromEntries(found.map(({ check, state }) => [check, state]))
}

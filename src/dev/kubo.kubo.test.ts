import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { findTool } from '../tools/find-tool.ts'
import { kubo } from '../tools/kubo.ts'
import { freePort } from './free-port.ts'
import { putGreeting, startKubo, type KuboOptions } from './kubo.ts'

async function place(): Promise<{ options: KuboOptions } & AsyncDisposable> {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-kubo-'))
  await chmod(dir, 0o700)
  const { path: binary } = await findTool(kubo(), {
    env: process.env,
    say: () => undefined,
    configured: process.env['KUBO_BINARY'],
  })
  const options = {
    name: 'kubo',
    binary,
    repo: join(dir, 'repo'),
    isPublic: false,
    rpcPort: await freePort(),
    swarmPort: await freePort(),
    logFile: join(dir, 'log'),
    env: process.env,
    restartAfterMs: 100,
  }
  return { options, [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) }
}

async function ask(rpcUrl: string, path: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${rpcUrl}/api/v0/${path}`, { method: 'POST' })
  const text = await response.text()
  return response.ok ? JSON.parse(text) : { error: text }
}

test('Kubo keeps its identity, its addresses and its blocks, and talks to loopback only', async () => {
  await using here = await place()
  let id: unknown
  let cid = ''
  {
    await using child = await startKubo(here.options)
    const self = await ask(child.rpcUrl, 'id')
    id = self['ID']
    assert.deepEqual(self['Addresses'], [`/ip4/127.0.0.1/tcp/${here.options.swarmPort}/p2p/${id}`])
    cid = await putGreeting(child.rpcUrl)
    const peer = '/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWKx4mtmubQdEaZDC3f6ePrkzDBqaQi576RPU5sGMCyCqW'
    const dial = await ask(child.rpcUrl, `swarm/connect?arg=${peer}`)
    assert.match(JSON.stringify(dial), /gater disallows/)
  }
  await using child = await startKubo(here.options)
  assert.equal((await ask(child.rpcUrl, 'id'))['ID'], id)
  assert.equal((await ask(child.rpcUrl, `block/stat?arg=${cid}&offline=true`))['Key'], cid)
})

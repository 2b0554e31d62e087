import { strict as assert } from 'node:assert'
import { randomBytes } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { kubo } from '../../src/ipfs/kubo.ts'
import { startRelay } from '../relay.ts'
import { ipfsContract, type IpfsWorld } from './ipfs.ts'
import { startTestKubo, type TestKubo } from '../../testing/servers/kubo.ts'

ipfsContract('Kubo keeps the contract', start)

test('a pin of ours whose blocks were lost from the disk is fetched again', async () => {
  await using ours = await startTestKubo()
  await using peer = await startTestKubo()
  await using ipfs = kubo({ rpcUrl: ours.rpcUrl, pinName: 'ours', allowPrivateOrigins: true })
  const options = { signal: new AbortController().signal, onProgress: () => {} }
  const cid = await addTo(peer, 4)
  await ipfs.connect(JSON.parse(await peer.rpc('id')).Addresses[0], options.signal)
  const first = await ipfs.pin(cid, options)
  assert.equal(first.blocks, 5)
  await ours.kill()
  const files = await readdir(join(ours.dir, 'blocks'), { recursive: true })
  const lost = files.filter((file) => file.endsWith('.data')).map((file) => join(ours.dir, 'blocks', file))
  await Promise.all(lost.map((file) => rm(file)))
  await ours.restart()
  await ipfs.connect(JSON.parse(await peer.rpc('id')).Addresses[0], options.signal)
  assert.deepEqual(await ipfs.pin(cid, options), first)
  assert.equal(
    (await ours.rpc(`dag/stat?arg=${cid}&progress=false&offline=true`)).includes('"NumBlocks":5'),
    true,
  )
})

test('the addresses that Kubo dials on its own are read from its config', async () => {
  await using ours = await startTestKubo()
  await using ipfs = kubo({ rpcUrl: ours.rpcUrl, pinName: 'ours', allowPrivateOrigins: false })
  assert.deepEqual(await ipfs.followUps(new AbortController().signal), [
    'Swarm.AddrFilters does not cover 127.0.0.0/8, ::1/128',
  ])
})

async function start(): Promise<IpfsWorld> {
  const ours = await startTestKubo()
  const peer = await startTestKubo()
  const { ID, Addresses } = JSON.parse(await peer.rpc('id'))
  const relay = await startRelay(Number(/\/tcp\/(\d+)/.exec(Addresses[0])?.[1]), 8 * 1024 * 1024)
  const origin = `/ip4/127.0.0.1/tcp/${relay.port}/p2p/${ID}`
  const common = { rpcUrl: ours.rpcUrl, pinName: 'ours', resolveName: null }
  const ipfs = kubo({ ...common, allowPrivateOrigins: true })
  const strict = kubo({ ...common, allowPrivateOrigins: false })
  return {
    ipfs,
    strict,
    local: () => put(ours, 'raw'),
    nowhere: async () => CID.createV1(0x55, await sha256.digest(randomBytes(32))).toString(),
    garbage: () => put(ours, 'dag-pb'),
    async remote(blocks) {
      return { cid: await addTo(peer, blocks), origin }
    },
    received: () => relay.received(),
    async pinByHand(cid, name, type) {
      await ours.rpc(`pin/add?arg=${cid}&name=${name}&recursive=${type === 'recursive'}`)
      // The adapter's list of direct pins may be half a second old.
      if (type === 'direct') await sleep(600)
    },
    async unpinByHand(cid) {
      await ours.rpc(`pin/rm?arg=${cid}`)
    },
    async look(cid) {
      const lines = (await ours.rpc('pin/ls?names=true&stream=true&quiet=false')).split('\n').filter(Boolean)
      const pin = lines.map((line) => JSON.parse(line)).find(({ Cid }) => Cid === cid)
      return pin ? { name: pin.Name ?? '', type: pin.Type } : null
    },
    kill: () => ours.kill(),
    restart: () => ours.restart(),
    async [Symbol.asyncDispose]() {
      await relay[Symbol.asyncDispose]()
      for (const each of [ipfs, strict, ours, peer]) await each[Symbol.asyncDispose]()
    },
  }
}

/** Adds a DAG with this many leaves of 64 KiB under one root. */
async function addTo(to: TestKubo, leaves: number): Promise<string> {
  const form = new FormData()
  form.append('file', new Blob([randomBytes(leaves * 64 * 1024)]))
  const query = 'pin=false&cid-version=1&chunker=size-65536&quieter=true&max-file-links=1024'
  const { Hash } = JSON.parse(await to.rpc(`add?${query}`, form))
  assert.ok(typeof Hash === 'string')
  return Hash
}

async function put(to: TestKubo, codec: string): Promise<string> {
  const form = new FormData()
  form.append('file', new Blob([randomBytes(100)]))
  const { Key } = JSON.parse(await to.rpc(`block/put?cid-codec=${codec}`, form))
  assert.ok(typeof Key === 'string')
  return Key
}

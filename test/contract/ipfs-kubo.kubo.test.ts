import { strict as assert } from 'node:assert'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { kubo } from '../../src/ipfs/kubo.ts'
import { startRelay } from '../relay.ts'
import { ipfsContract, type IpfsWorld } from './ipfs.ts'
import { startTestKubo, type TestKubo } from './test-kubo.ts'

ipfsContract('Kubo keeps the contract', start)

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
      const form = new FormData()
      form.append('file', new Blob([randomBytes(blocks * 64 * 1024)]))
      const answer = await peer.rpc(
        'add?pin=false&cid-version=1&chunker=size-65536&quieter=true&max-file-links=1024',
        form,
      )
      return { cid: JSON.parse(answer.trim().split('\n').at(-1) ?? '').Hash, origin }
    },
    received: () => relay.received(),
    async pinByHand(cid, name, type) {
      await ours.rpc(`pin/add?arg=${cid}&name=${name}&recursive=${type === 'recursive'}`)
      // The adapter's list of direct pins may be half a second old.
      if (type === 'direct') await sleep(600)
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

async function put(to: TestKubo, codec: string): Promise<string> {
  const form = new FormData()
  form.append('file', new Blob([randomBytes(100)]))
  const { Key } = JSON.parse(await to.rpc(`block/put?cid-codec=${codec}`, form))
  assert.ok(typeof Key === 'string')
  return Key
}

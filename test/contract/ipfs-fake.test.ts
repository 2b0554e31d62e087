import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { fakeIpfs } from '../../testing/fakes/kubo.ts'
import { ipfsContract, type IpfsWorld } from './ipfs.ts'

ipfsContract('the fake Ipfs keeps the contract', start)

async function start(): Promise<IpfsWorld> {
  const clock = {
    sleep: (ms: number, signal: AbortSignal) => setTimeout(ms, undefined, { signal }).catch(rethrow(signal)),
  }
  const ipfs = fakeIpfs({ clock, unknownContent: 'nowhere', tickMs: 20 })
  const origin = '/ip4/127.0.0.1/tcp/4002/p2p/12D3KooWBhMbLvQLgFPV8kRzL1xRwUAtNdzC8AFBRzpcFgEePPbT'
  const strict = fakeIpfs({ clock, unknownContent: 'nowhere', allowPrivateOrigins: false })
  return {
    ipfs,
    strict,
    async local() {
      const cid = someCid()
      ipfs.offer(cid)
      return cid
    },
    nowhere: async () => someCid(),
    async garbage() {
      const cid = someCid()
      ipfs.fault(cid, { kind: 'fail', code: 'bad_content', permanent: true })
      return cid
    },
    async remote(blocks) {
      const cid = someCid()
      for (const each of [ipfs, strict])
        each.offer(cid, { blocks: blocks + 1, bytes: blocks * 64 * 1024 + 100 }, origin)
      ipfs.fault(cid, { kind: 'slow', everyMs: 2 })
      return { cid, origin }
    },
    received: () => ipfs.fetchedBytes(),
    pinByHand: async (cid, name, type) => ipfs.pinByHand(cid, name, type),
    unpinByHand: async (cid) => ipfs.unpinByHand(cid),
    look: async (cid) => ipfs.standing.get(cid) ?? null,
    kill: async () => ipfs.down(),
    restart: async () => ipfs.up(),
    async [Symbol.asyncDispose]() {},
  }
}

function rethrow(signal: AbortSignal) {
  return () => signal.throwIfAborted()
}

function someCid(): string {
  return `bafkrei${randomBytes(26).toString('hex')}`
}

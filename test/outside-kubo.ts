import { strict as assert } from 'node:assert'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startTestKubo, type KuboConfig, type TestKubo } from '../testing/servers/kubo.ts'
import { kuboRpc, type KuboRpc } from '../testing/clients/kubo-rpc.ts'

/** A Kubo outside the service: a user's own node, with content to offer. */
export interface OutsideKubo extends AsyncDisposable {
  /** Its repository and program, for tests that need more than the RPC. */
  kubo: TestKubo
  rpc: KuboRpc
  /** The address that others dial, ending in `/p2p/…`. */
  address: string
  /** Stops it, lets `change` edit its config, and starts it again. */
  reconfigure(change: (config: KuboConfig) => void): Promise<void>
}

export async function startOutsideKubo(): Promise<OutsideKubo> {
  const kubo = await startTestKubo()
  const rpc = kuboRpc(kubo.rpcUrl)
  const address = await addressOf(rpc)
  return {
    kubo,
    rpc,
    address,
    async reconfigure(change) {
      await kubo.kill('SIGTERM')
      const file = join(kubo.dir, 'config')
      const config: KuboConfig = JSON.parse(await readFile(file, 'utf8'))
      change(config)
      await writeFile(file, JSON.stringify(config))
      await kubo.restart()
    },
    [Symbol.asyncDispose]: () => kubo[Symbol.asyncDispose](),
  }
}

async function addressOf(rpc: KuboRpc): Promise<string> {
  const { Addresses }: { Addresses: string[] } = JSON.parse(await rpc.call('id'))
  return (
    Addresses.find((address) => address.startsWith('/ip4/127.')) ?? assert.fail(`no address: ${Addresses}`)
  )
}

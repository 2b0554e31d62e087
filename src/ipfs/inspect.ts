import { fencesOf, liesInNetwork, type Fences } from './follow-ups.ts'
import { readDiskFree, readIdentity, readRepoStat } from './kubo-answers.ts'
import { kuboRpc } from './rpc.ts'

/** A Kubo's report about itself. */
export interface KuboFacts {
  version: string
  peerId: string
  fences: Fences
  usedBytes: number
  /** `Datastore.StorageMax`. */
  capacityBytes: number
  /** Free bytes on the disk that holds its repository. */
  diskFreeBytes: number
}

/** Asks the Kubo at `rpcUrl`. Rejects with `IpfsError`, also when it is too old to work with. */
export async function inspectKubo(rpcUrl: string, signal: AbortSignal): Promise<KuboFacts> {
  await using rpc = kuboRpc(rpcUrl)
  const [id, version] = await Promise.all([rpc.call('id', signal), rpc.call('version', signal)])
  const { peerId, version: found } = readIdentity(id, version)
  const [config, stat, system] = await Promise.all([
    rpc.call('config/show', signal),
    rpc.call('repo/stat?size-only=true', signal),
    rpc.call('diag/sys', signal),
  ])
  return {
    version: found,
    peerId,
    fences: fencesOf(config),
    ...readRepoStat(stat),
    diskFreeBytes: readDiskFree(system),
  }
}

/** The peer id of the Kubo at `rpcUrl`. Rejects with `IpfsError`. */
export async function peerIdOf(rpcUrl: string, signal: AbortSignal): Promise<string> {
  await using rpc = kuboRpc(rpcUrl)
  const [id, version] = await Promise.all([rpc.call('id', signal), rpc.call('version', signal)])
  return readIdentity(id, version).peerId
}

const bareLookMs = 2_000

/** Whether the Kubo at this address takes commands without a user and password. */
export async function takesAnyone(rpcUrl: string, signal: AbortSignal): Promise<boolean> {
  const bare = new URL(rpcUrl)
  bare.username = bare.password = ''
  await using rpc = kuboRpc(bare.href)
  try {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(bareLookMs)])
    return (await rpc.ask('version', bounded)).status === 200
  } catch {
    signal.throwIfAborted()
    return false
  }
}

/** The fences of a Kubo, applied to the addresses of its siblings. */
export interface Dialled {
  /** Private networks that it would dial when a stranger's peer names an address there, except networks with siblings in them. */
  open: string[]
  /** Addresses of siblings that it would not dial. */
  shut: string[]
}

/** `siblings`: the multiaddrs of the cluster's other Kubos. A private network that one of them is in cannot be filtered. */
export function dialled({ open, keepsFrom }: Fences, siblings: readonly string[]): Dialled {
  const addresses = siblings.flatMap((multiaddr) => /^\/ip[46]\/([^/]+)\//.exec(multiaddr)?.[1] ?? [])
  return {
    open: open.filter((network) => !addresses.some((address) => liesInNetwork(address, network))),
    shut: [...new Set(addresses.filter(keepsFrom))],
  }
}

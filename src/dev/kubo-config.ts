/** Kubo's configuration file, as far as we touch it. */
export type KuboConfig = Record<string, unknown>

export interface KuboAddresses {
  rpcPort: number
  swarmPort: number
}

/** All addresses except those of loopback: Kubo refuses to dial these before it sends a packet. */
const allButLoopback = [
  '/ip4/0.0.0.0/ipcidr/2',
  '/ip4/64.0.0.0/ipcidr/3',
  '/ip4/96.0.0.0/ipcidr/4',
  '/ip4/112.0.0.0/ipcidr/5',
  '/ip4/120.0.0.0/ipcidr/6',
  '/ip4/124.0.0.0/ipcidr/7',
  '/ip4/126.0.0.0/ipcidr/8',
  '/ip4/128.0.0.0/ipcidr/1',
  '/ip6/2000::/ipcidr/3',
  '/ip6/fc00::/ipcidr/7',
  '/ip6/fe80::/ipcidr/10',
]

/**
 * The config that `ipfs init` wrote, with our ports, its RPC on loopback, no gateway and no telemetry. Unless it is public, everything that
 * would talk to hosts beyond loopback is switched off too.
 */
export function kuboConfig(initial: KuboConfig, addresses: KuboAddresses, isPublic: boolean): KuboConfig {
  const always = {
    Addresses: { API: `/ip4/127.0.0.1/tcp/${addresses.rpcPort}`, Gateway: [] },
    Plugins: { Plugins: { telemetry: { Config: { Mode: 'off' } } } },
  }
  const swarm = {
    Addresses: {
      Swarm: isPublic ? publicSwarm(addresses.swarmPort) : [`/ip4/127.0.0.1/tcp/${addresses.swarmPort}`],
    },
  }
  return [always, swarm, isPublic ? {} : fence].reduce(merged, initial)
}

function publicSwarm(port: number): string[] {
  return ['/ip4/0.0.0.0', '/ip6/::'].flatMap((ip) => [
    `${ip}/tcp/${port}`,
    `${ip}/udp/${port}/quic-v1`,
    `${ip}/udp/${port}/quic-v1/webtransport`,
    `${ip}/udp/${port}/webrtc-direct`,
  ])
}

const fence: KuboConfig = {
  AutoConf: { Enabled: false },
  AutoTLS: { Enabled: false },
  Bootstrap: [],
  DNS: { Resolvers: {} },
  Discovery: { MDNS: { Enabled: false } },
  HTTPRetrieval: { Enabled: false },
  Ipns: { DelegatedPublishers: [] },
  Provide: { Enabled: false },
  Routing: { Type: 'none', DelegatedRouters: [] },
  Swarm: { AddrFilters: allButLoopback, DisableNatPortMap: true, RelayClient: { Enabled: false } },
}

/** `over` laid over `under`; objects are merged, everything else replaced. */
function merged(under: KuboConfig, over: KuboConfig): KuboConfig {
  const result = { ...under }
  for (const [key, value] of Object.entries(over)) {
    const old = result[key]
    // An empty object means "nothing", not "as it was".
    result[key] =
      isObject(old) && isObject(value) && Object.keys(value).length > 0 ? merged(old, value) : value
  }
  return result
}

function isObject(value: unknown): value is KuboConfig {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

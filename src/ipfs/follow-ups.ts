import ipaddr from 'ipaddr.js'
import { fields } from './kubo-answers.ts'

/** Networks into which a stranger's content must not lead a Kubo. */
const inside = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
]
const filter = /^\/ip[46]\/([0-9a-fA-F.:]+)\/ipcidr\/(\d+)$/

/** How well a Kubo's config keeps it out of private networks. */
export interface Fences {
  /** Private networks that it dials when a peer or a router names an address there. */
  open: string[]
  /** It fetches over HTTP from any address that a stranger names. */
  overHttp: boolean
  /** Whether its filters keep it from dialling this IP address. */
  keepsFrom: (address: string) => boolean
}

/** The fences in a Kubo's config (`config/show`). */
export function fencesOf(config: unknown): Fences {
  const { Swarm, HTTPRetrieval } = fields(config)
  const filters = networksOf(fields(Swarm ?? {})['AddrFilters'])
  return {
    open: inside.filter((range) => !filters.some((each) => holds(each, ipaddr.parseCIDR(range)))),
    overHttp: fields(HTTPRetrieval ?? {})['Enabled'] !== false,
    keepsFrom: (address) => filters.some((filter) => liesIn(address, filter)),
  }
}

/**
 * Says how a Kubo of this config (`config/show`) can get into private networks on its own: it dials addresses that it learns from peers and
 * routers without asking anchorage, whatever was allowed of the origins that led to them. Empty when it cannot.
 */
export function followUps(config: unknown): string[] {
  const { open, overHttp } = fencesOf(config)
  return [
    ...(open.length > 0 ? [`Swarm.AddrFilters does not cover ${open.join(', ')}`] : []),
    ...(overHttp ? ['HTTPRetrieval is on, so strangers can make it fetch over HTTP from any address'] : []),
  ]
}

/** Whether the IP address lies in the network, which is written like `10.0.0.0/8`. */
export function liesInNetwork(address: string, network: string): boolean {
  return liesIn(address, ipaddr.parseCIDR(network))
}

function liesIn(address: string, network: Network): boolean {
  const parsed = ipaddr.parse(address)
  return parsed.kind() === network[0].kind() && parsed.match(network)
}

type Network = ReturnType<typeof ipaddr.parseCIDR>

function networksOf(filters: unknown): Network[] {
  return (Array.isArray(filters) ? filters : []).flatMap((each) => {
    const [, address, bits] = filter.exec(String(each)) ?? []
    return address === undefined || !ipaddr.isValidCIDR(`${address}/${bits}`)
      ? []
      : [ipaddr.parseCIDR(`${address}/${bits}`)]
  })
}

function holds([wide, wideBits]: Network, [address, bits]: Network): boolean {
  return wide.kind() === address.kind() && wideBits <= bits && address.match([wide, wideBits])
}

import ipaddr from 'ipaddr.js'
import { fields } from './kubo-answers.ts'

/** Where no stranger's content is to lead a Kubo. */
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

/**
 * Where a Kubo of this config (`config/show`) goes by itself, in words: what it learns from peers and routers it dials without asking anybody,
 * whatever was allowed of the origins that led to them. Nothing when it cannot get into private networks so.
 */
export function followUps(config: unknown): string[] {
  const { Swarm, HTTPRetrieval } = fields(config)
  const filters = networksOf(fields(Swarm ?? {})['AddrFilters'])
  const open = inside.filter((range) => !filters.some((each) => holds(each, ipaddr.parseCIDR(range))))
  return [
    ...(open.length > 0 ? [`Swarm.AddrFilters does not keep it from ${open.join(', ')}`] : []),
    ...(fields(HTTPRetrieval ?? {})['Enabled'] === false
      ? []
      : ['HTTPRetrieval is on, and fetches over HTTP from wherever a stranger says']),
  ]
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

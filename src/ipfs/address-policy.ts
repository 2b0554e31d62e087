import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Addresses of clouds' metadata services that look ordinary. Those in link-local ranges are refused with their range. */
const metadata = ['168.63.129.16', '100.100.100.200', 'fd00:ec2::254', 'fd20:ce::254'].map((address) =>
  ipaddr.parse(address).toNormalizedString(),
)
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')
const privateRanges = ['private', 'loopback', 'carrierGradeNat', 'uniqueLocal']

/**
 * Why a stranger's address must not be dialled; null when it may be. Public unicast may be dialled and, with `allowPrivate`, private
 * networks and loopback. Never allowed: link-local and metadata addresses (they lead to the machine's own cloud account), multicast and
 * broadcast, and IPv6 that carries an IPv4 address inside (mapped, NAT64, 6to4, Teredo), since the check would see only the outer address.
 */
export function refusalOf(address: string, allowPrivate: boolean): string | null {
  // ipaddr.js alone would also accept `127.1` and `0x7f.1`.
  if (!isIP(address)) return 'not an IP address'
  const parsed = ipaddr.parse(address)
  if (metadata.includes(parsed.toNormalizedString())) return 'a metadata service'
  const range = parsed.range()
  if (allowPrivate && privateRanges.includes(range)) return null
  if (range !== 'unicast') return `an address of range ${range}`
  // Only this block of IPv6 is given out as unicast; the rest is unassigned or has a special meaning.
  if (parsed instanceof ipaddr.IPv6 && !parsed.match(globalUnicast)) return 'an address outside of 2000::/3'
  return null
}

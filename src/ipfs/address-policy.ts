import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Addresses of clouds' metadata services that look ordinary; those in link-local ranges are refused with their range. */
const metadata = ['168.63.129.16', '100.100.100.200', 'fd00:ec2::254', 'fd20:ce::254'].map((address) =>
  ipaddr.parse(address).toNormalizedString(),
)
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')
const privateRanges = ['private', 'loopback', 'carrierGradeNat', 'uniqueLocal']

/**
 * Why a stranger's address must not be dialled; null when it may. Only public unicast may, and, when `allowPrivate`, private
 * networks and loopback. Never link-local and metadata (an address of the machine's own cloud account), multicast and
 * broadcast, nor IPv6 that carries an IPv4 address inside (mapped, NAT64, 6to4, Teredo): what it reaches would be judged
 * by its shell.
 */
export function refusalOf(address: string, allowPrivate: boolean): string | null {
  // ipaddr.js alone would also take `127.1` and `0x7f.1`.
  if (!isIP(address)) return 'not an IP address'
  const parsed = ipaddr.parse(address)
  if (metadata.includes(parsed.toNormalizedString())) return 'a metadata service'
  const range = parsed.range()
  if (allowPrivate && privateRanges.includes(range)) return null
  if (range !== 'unicast') return `an address of range ${range}`
  // Of IPv6 only this block is given out; the rest is unassigned or has a meaning of its own.
  if (parsed instanceof ipaddr.IPv6 && !parsed.match(globalUnicast)) return 'an address outside of 2000::/3'
  return null
}

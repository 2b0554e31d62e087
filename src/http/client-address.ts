import { isIP, type Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import ipaddr from 'ipaddr.js'

/** Returns the address of the client that sent a request, in one spelling; `unknown` if its connection is already closed. */
export type AddressOf = (request: Pick<FastifyRequest, 'raw'>) => string

/** No real chain of proxies is longer; further entries are not read. */
const maxProxies = 16
const ipv4WithPort = /^(\d+\.\d+\.\d+\.\d+):\d+$/
const bracketed = /^\[([^\]]+)\](?::\d+)?$/

/**
 * Trusts `X-Forwarded-For` only as far as proxies in `networks` (CIDRs) wrote it. Each proxy appends the address that its request came
 * from, so the list is read from its end. The first address outside of `networks` is the client; the client itself may have invented the
 * entries before it. `Forwarded` is never read: a proxy that writes one of the two headers passes the other on as it came.
 */
export function clientAddress(networks: readonly string[]): AddressOf {
  const isTrusted = isWithin(networks)
  // Kept per socket: a closed socket no longer has an address, and reading an address takes longer than this look-up.
  const bySocket = new WeakMap<Socket, string>()
  return ({ raw: { socket, headers } }) => {
    const seen = bySocket.get(socket) ?? socketAddress(socket)
    bySocket.set(socket, seen)
    if (networks.length === 0) return seen
    const said = [headers['x-forwarded-for'] ?? []].flat().join(',')
    let [address, end] = [seen, said.length]
    for (let hops = 0; hops < maxProxies && end > 0 && isTrusted(address); hops++) {
      const comma = said.lastIndexOf(',', end - 1)
      const before = addressIn(said.slice(comma + 1, end).trim())
      // If a proxy names no client, its own address counts for all of its clients.
      if (before === null) break
      address = before
      end = comma
    }
    return address
  }
}

/** Tells whether an address lies in one of `networks` (CIDRs). */
export function isWithin(networks: readonly string[]): (address: string) => boolean {
  const known = networks.map((cidr) => ipaddr.parseCIDR(cidr))
  return (address) => {
    if (!isIP(address)) return false
    const parsed = ipaddr.parse(address)
    return known.some(([network, bits]) => network.kind() === parsed.kind() && parsed.match([network, bits]))
  }
}

/** The address at the other end of a connection, in one spelling; `unknown` if the connection is already closed. */
export function socketAddress({ remoteAddress }: Pick<Socket, 'remoteAddress'>): string {
  return addressIn(remoteAddress ?? '') ?? 'unknown'
}

/**
 * The networks for which an address is counted, the narrowest first. For IPv4 this is the address itself. For IPv6 it is the /64, within
 * which a machine takes any address it likes, and the /48, which is the most that one site is usually given (RFC 6177).
 */
export function sharersOf(address: string): string[] {
  if (isIP(address) !== 6) return [address]
  const parsed = ipaddr.IPv6.parse(address)
  const bytes = parsed.toByteArray()
  // Translated IPv4 (RFC 6052) counts as IPv4, since all of it lies within one /64.
  if (parsed.range() === 'rfc6052') return [bytes.slice(12).join('.')]
  return [8, 6].map((kept) => `${ipaddr.fromByteArray(upTo(bytes, kept)).toString()}/${kept * 8}`)
}

/** The narrowest network for which `address` is counted. */
export function networkOf(address: string): string {
  return sharersOf(address)[0] ?? address
}

function upTo(bytes: number[], kept: number): number[] {
  return bytes.map((byte, index) => (index < kept ? byte : 0))
}

/** The address in `text`, without port, brackets, zone and IPv4-in-IPv6 mapping; null if there is none. */
function addressIn(text: string): string | null {
  const bare = ipv4WithPort.exec(text)?.[1] ?? bracketed.exec(text)?.[1] ?? text
  const [address = ''] = bare.split('%', 1)
  return isIP(address) ? ipaddr.process(address).toString() : null
}

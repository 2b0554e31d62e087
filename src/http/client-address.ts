import { isIP, type Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import ipaddr from 'ipaddr.js'

/** The address of the client that sent a request, in one spelling; `unknown` when its connection is gone already. */
export type AddressOf = (request: Pick<FastifyRequest, 'raw'>) => string

/** More proxies than this in a row are nobody's; what they say is not read. */
const maxProxies = 16
const ipv4WithPort = /^(\d+\.\d+\.\d+\.\d+):\d+$/
const bracketed = /^\[([^\]]+)\](?::\d+)?$/

/**
 * Believes `X-Forwarded-For` only as far as it was written by proxies in `networks` (CIDRs): each of them appends the address that it
 * was asked from, so the list is read from its end, and the first address outside of `networks` is the client; what stands before it
 * is the client's own invention. `Forwarded` is not read at all: a proxy that writes the one lets the other pass as it came.
 */
export function clientAddress(networks: readonly string[]): AddressOf {
  const isTrusted = isWithin(networks)
  // A socket that was closed meanwhile no longer tells, and reading an address takes longer than looking it up.
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
      // A proxy that names nobody stands for all of its clients.
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

/** The address at the other end of a connection, in one spelling; `unknown` when the connection is gone already. */
export function socketAddress({ remoteAddress }: Pick<Socket, 'remoteAddress'>): string {
  return addressIn(remoteAddress ?? '') ?? 'unknown'
}

/**
 * What shares a limit with an address, the narrowest first: an IPv4 address only itself; of IPv6 the /64, within which any machine
 * takes any address it likes, and the /48, which is the most that one site is usually given (RFC 6177).
 */
export function sharersOf(address: string): string[] {
  if (isIP(address) !== 6) return [address]
  const parsed = ipaddr.IPv6.parse(address)
  const bytes = parsed.toByteArray()
  // Translated IPv4 (RFC 6052): all of it lies within one /64.
  if (parsed.range() === 'rfc6052') return [bytes.slice(12).join('.')]
  return [8, 6].map((kept) => `${ipaddr.fromByteArray(upTo(bytes, kept)).toString()}/${kept * 8}`)
}

/** The narrowest of them. */
export function networkOf(address: string): string {
  return sharersOf(address)[0] ?? address
}

function upTo(bytes: number[], kept: number): number[] {
  return bytes.map((byte, index) => (index < kept ? byte : 0))
}

/** An address without port, brackets, zone and IPv4-in-IPv6 mapping; null when it is none. */
function addressIn(text: string): string | null {
  const bare = ipv4WithPort.exec(text)?.[1] ?? bracketed.exec(text)?.[1] ?? text
  const [address = ''] = bare.split('%', 1)
  return isIP(address) ? ipaddr.process(address).toString() : null
}

import { multiaddr } from '@multiformats/multiaddr'
import { IpfsError } from '../core/ipfs-error.ts'
import { parseOrigin } from '../core/origin.ts'
import { refusalOf } from './address-policy.ts'
import type { ResolveName } from './origin-names.ts'

/** The transports that may follow the host: those that Kubo dials directly. Relays, sockets and tunnels are not among them. */
const transports =
  /^(\/tcp(\/ws|\/wss|\/tls\/ws|\/tls\/sni\/ws)?|\/udp\/quic-v1(\/webtransport(\/certhash)*)?|\/udp\/webrtc-direct(\/certhash)*)\/p2p$/

/** A `dnsaddr` may lead to another, but no deeper than this. */
export const maxDnsaddrDepth = 3
/** At most this many addresses of one origin are tried, and at most this many records of one `dnsaddr` are followed. */
export const maxAddresses = 16
/** At most this many DNS queries are made for one origin, of all kinds and over all levels. Names beyond that have no addresses. */
export const maxLookUps = 32

export interface OriginPolicy {
  allowPrivateOrigins: boolean
  /** Null refuses names. */
  resolveName: ResolveName | null
  signal: AbortSignal
}

/**
 * The addresses to dial for a stranger's `origin`: IP addresses only, each checked. A name is resolved here and the addresses found are
 * dialled, never the name: a second look-up might give another answer. Rejects with `bad_origin` when no address is left; permanently if
 * one was refused, but not if its name has none.
 */
export async function dialable(origin: string, policy: OriginPolicy): Promise<string[]> {
  const { resolveName, signal, allowPrivateOrigins } = policy
  const ask = resolveName && withinBudget((name, kind) => resolveName(name, kind, signal))
  const { allowed, refused } = await judge(origin, { allowPrivateOrigins, ask }, maxDnsaddrDepth)
  if (allowed.length > 0) return [...new Set(allowed)].slice(0, maxAddresses)
  throw new IpfsError(
    'bad_origin',
    `the origin may not be dialled: ${refused ?? 'its name has no address'}`,
    {
      permanent: refused !== null,
    },
  )
}

type Ask = (name: string, kind: Parameters<ResolveName>[1]) => Promise<string[]>

/** Asks each question once, and no more than `maxLookUps` questions in all. */
function withinBudget(ask: Ask): Ask {
  const asked = new Map<string, Promise<string[]>>()
  return async (name, kind) => {
    const question = `${kind} ${name.toLowerCase()}`
    const known = asked.get(question)
    if (known !== undefined) return known
    if (asked.size >= maxLookUps) return []
    const answer = ask(name, kind)
    asked.set(question, answer)
    return answer
  }
}

interface Judge {
  allowPrivateOrigins: boolean
  /** Null refuses names. */
  ask: Ask | null
}

interface Judgement {
  allowed: string[]
  /** Why another address is not allowed; null when none was refused. */
  refused: string | null
}

async function judge(origin: string, policy: Judge, depth: number): Promise<Judgement> {
  const parts = componentsOf(origin)
  const [host, ...rest] = parts ?? []
  if (!host || host.value === undefined) return refuse('it is not a multiaddr that ends in /p2p/PEERID')
  if (host.name === 'dnsaddr') return judgeDnsaddr(host.value, rest, policy, depth)

  const shape = rest.map((part) => `/${part.name}`).join('')
  if (!transports.test(shape)) return refuse('it is not a direct address over TCP or UDP')
  if (rest[0]?.value === '0') return refuse('it has no port')
  switch (host.name) {
    case 'ip4':
    case 'ip6':
      return judgeAddresses([host.value], spell(rest), policy)
    case 'dns':
    case 'dns4':
    case 'dns6': {
      const { ask } = policy
      const { name: kind, value: name } = host
      if (!ask) return refuse('host names are not allowed in origins here')
      const kinds = kind === 'dns' ? (['dns4', 'dns6'] as const) : [kind]
      const found = await Promise.all(kinds.map((one) => ask(name, one)))
      return judgeAddresses(found.flat(), spellTls(rest, name), policy)
    }
    default:
      return refuse('it does not begin with an IP address or a host name')
  }
}

async function judgeDnsaddr(name: string, rest: Part[], policy: Judge, depth: number): Promise<Judgement> {
  if (rest.length !== 1) return refuse('it has other parts between the name and /p2p/')
  if (!policy.ask) return refuse('host names are not allowed in origins here')
  if (depth === 0) return refuse('its name leads through too many other names')
  const records = await policy.ask(name, 'dnsaddr')
  const targets = records.filter((record) => record.endsWith(spell(rest))).slice(0, maxAddresses)
  const judged = await Promise.all(targets.map((target) => judge(target, policy, depth - 1)))
  return {
    allowed: judged.flatMap(({ allowed }) => allowed),
    refused: judged.find(({ refused }) => refused !== null)?.refused ?? null,
  }
}

function judgeAddresses(addresses: string[], tail: string, policy: Judge): Judgement {
  const judged = addresses.map((address) => ({
    address,
    refusal: refusalOf(address, policy.allowPrivateOrigins),
  }))
  return {
    allowed: judged
      .filter(({ refusal }) => refusal === null)
      .map(({ address }) => `/${address.includes(':') ? 'ip6' : 'ip4'}/${address}${tail}`),
    refused: judged.find(({ refusal }) => refusal !== null)?.refusal ?? null,
  }
}

function refuse(why: string): Judgement {
  return { allowed: [], refused: why }
}

interface Part {
  name: string
  value?: string
}

function componentsOf(origin: string): Part[] | null {
  try {
    return multiaddr(parseOrigin(origin)).getComponents()
  } catch {
    return null
  }
}

function spell(parts: Part[]): string {
  return parts.map(({ name, value }) => (value === undefined ? `/${name}` : `/${name}/${value}`)).join('')
}

/** A TLS server that is dialled by its address must still be told which name is meant. */
function spellTls(parts: Part[], name: string): string {
  return spell(parts)
    .replace(/\/wss\//, '/tls/ws/')
    .replace(/\/tls\/ws\//, `/tls/sni/${name}/ws/`)
}

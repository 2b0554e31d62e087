import { randomBytes } from 'node:crypto'
import { base58btc } from 'multiformats/bases/base58'
import { txt, type Records } from '../../testing/servers/dns.ts'

/** An origin with its own peer and port, so that the port shows which origin was dialled. */
export interface Origin {
  text: string
  port: number
  /** Whether the node may dial it. */
  may: 'be dialled' | 'not be dialled'
  /** Whether Kubo itself dials it when asked directly, which proves that a dial would have been seen. */
  reachable: boolean
}

const firstPort = 21_000

/** Addresses of the machine itself and of its neighbours; all of them accept connections. */
const inner = [
  '/ip4/127.0.0.1',
  '/ip4/127.8.8.8',
  '/ip4/10.11.12.13',
  '/ip4/172.16.5.4',
  '/ip4/172.31.255.1',
  '/ip4/192.168.7.7',
  '/ip4/100.64.0.1',
  '/ip4/169.254.1.1',
  '/ip4/169.254.169.254',
  '/ip4/168.63.129.16',
  '/ip4/100.100.100.200',
  '/ip4/192.0.2.1',
  '/ip4/198.18.0.1',
  '/ip6/::1',
  '/ip6/fd12:3456::1',
  '/ip6/fd00:ec2::254',
  '/ip6/2001:db8::1',
  '/ip6/::10.11.12.13',
  '/ip6/64:ff9b::10.11.12.13',
  '/ip6/64:ff9b:1::10.11.12.13',
  '/ip6/2002:a0b:c0d::1',
  '/ip6/2001:0:a0b:c0d::1',
]
/** Addresses that cannot be connected to, and addresses that Kubo never dials. */
const nowhere = [
  '/ip4/0.0.0.0',
  '/ip4/224.0.0.251',
  '/ip4/239.255.255.250',
  '/ip4/240.0.0.1',
  '/ip4/255.255.255.255',
  '/ip6/::',
  '/ip6/::ffff:127.0.0.1',
  '/ip6/::ffff:10.11.12.13',
  '/ip6/fe80::1',
  '/ip6zone/lo/ip6/fe80::1',
  '/ip6/ff02::fb',
  '/dns6/mapped.test',
]
const innerNames = [
  '/dns4/private.test',
  '/dns6/private.test',
  '/dns/private.test',
  '/dns4/metadata.test',
  '/dns/localhost',
]
const outer = ['/ip4/8.8.8.8', '/ip6/2606:4700::1111', '/dns4/public.test']

/** All these origins, and one whose file is a socket. */
export function originsAt(socketPath: string): Origin[] {
  const origins: Origin[] = []
  const add = (
    may: Origin['may'],
    reachable: boolean,
    text: (port: number, peer: string) => string,
  ): void => {
    const port = firstPort + origins.length
    origins.push({ text: text(port, randomPeer()), port, may, reachable })
  }
  const overTcp = (host: string) => (port: number, peer: string) => `${host}/tcp/${port}/p2p/${peer}`
  const overQuic = (host: string) => (port: number, peer: string) => `${host}/udp/${port}/quic-v1/p2p/${peer}`
  for (const host of inner) add('not be dialled', true, overTcp(host))
  for (const host of nowhere) add('not be dialled', false, overTcp(host))
  for (const host of innerNames) add('not be dialled', true, overTcp(host))
  for (const host of ['/ip4/127.0.0.1', '/ip4/10.11.12.13', '/ip6/::1'])
    add('not be dialled', true, overQuic(host))
  add('not be dialled', false, overQuic('/ip4/224.0.0.251'))
  add('not be dialled', true, (port, peer) => `/ip4/127.0.0.1/tcp/${port}/ws/p2p/${peer}`)
  for (const name of ['leads', 'far'])
    add('not be dialled', true, (port, peer) => `/dnsaddr/${name}-${port}.test/p2p/${peer}`)
  add('not be dialled', false, (_, peer) => `/unix/${encodeURIComponent(socketPath)}/p2p/${peer}`)
  add('not be dialled', false, (_, peer) => `/unix${socketPath}/p2p/${peer}`)
  add(
    'not be dialled',
    true,
    (port, peer) => `/ip4/8.8.8.8/tcp/${port}/p2p/${randomPeer()}/p2p-circuit/p2p/${peer}`,
  )
  for (const host of [...outer, '/dns4/both.test', '/dns4/turns.test']) add('be dialled', true, overTcp(host))
  return origins
}

/** The DNS records of the names in the origins. One name returns another address each time. */
export function recordsOf(origins: readonly Origin[]): Records {
  const [a, b] = [Buffer.from([8, 8, 4, 4]), Buffer.from([10, 11, 12, 13])]
  const fixed: Record<string, Buffer[]> = {
    'public.test A': [a],
    'private.test A': [b],
    'private.test AAAA': [Buffer.from('fd123456000000000000000000000001', 'hex')],
    'mapped.test AAAA': [Buffer.from('00000000000000000000ffff0a0b0c0d', 'hex')],
    'metadata.test A': [Buffer.from([169, 254, 169, 254])],
    'both.test A': [a, b],
  }
  for (const { text, port } of origins) {
    const peer = text.split('/').at(-1) ?? ''
    fixed[`_dnsaddr.leads-${port}.test TXT`] = [txt(`dnsaddr=/ip4/10.11.12.13/tcp/${port}/p2p/${peer}`)]
    fixed[`_dnsaddr.far-${port}.test TXT`] = [txt(`dnsaddr=/dns4/private.test/tcp/${port}/p2p/${peer}`)]
  }
  let turns = 0
  return (question) => (question === 'turns.test A' ? [turns++ === 0 ? a : b] : (fixed[question] ?? []))
}

/** The id of a random ed25519 key, which no peer has. */
function randomPeer(): string {
  return base58btc.baseEncode(Uint8Array.from([0x00, 0x24, 0x08, 0x01, 0x12, 0x20, ...randomBytes(32)]))
}

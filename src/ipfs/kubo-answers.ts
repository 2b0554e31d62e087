/** Parses the answers of Kubo's RPC strictly: an unexpected shape is an error here, never an `undefined` further on. */
import { canonicalCid } from '../core/cid.ts'
import { IpfsError } from '../core/ipfs-error.ts'
import type { Progress } from '../core/placement.ts'

/** The oldest Kubo that anchorage works with; see `readIdentity`. */
const oldestKubo = [0, 42] as const

/**
 * One line of `pin/add?progress=true`: progress, or `pinned` in the last one; null for the empty line that Kubo sends after half a second
 * without progress.
 */
export function readPinAdd(line: unknown): Progress | 'pinned' | null {
  const { Pins, Progress, Bytes } = fields(line)
  if (Array.isArray(Pins) && Pins.length > 0) return 'pinned'
  if (Progress === undefined) return null
  return { blocks: number(Progress), bytes: Bytes === undefined ? 0 : number(Bytes) }
}

/** `pin/ls?arg=…&names=true`: the name of the one pin asked for, empty when it has none. */
export function readPinLs(answer: unknown): string {
  const pins = Object.values(fields(fields(answer)['Keys']))
  return nameOf(fields(pins[0]))
}

/** One line of `pin/ls?names=true&stream=true`. */
export function readPin(line: unknown): { cid: string; name: string } {
  const pin = fields(line)
  return { cid: canonicalCid(text(pin['Cid'])), name: nameOf(pin) }
}

/** One line of `dag/stat`: the blocks and bytes walked so far. */
export function readDagStat(line: unknown): Progress {
  const { DagStats } = fields(line)
  const stat = fields(Array.isArray(DagStats) ? DagStats[0] : undefined)
  return { blocks: number(stat['NumBlocks']), bytes: number(stat['Size']) }
}

/**
 * Reads the answers of `id` and `version`. Addresses that only mean "any interface" cannot be dialled and are left out. Older Kubos are
 * refused: before 0.40 pins report no bytes, and before 0.42 a reprovide run can block every pin for hours.
 */
export function readIdentity(
  id: unknown,
  version: unknown,
): { peerId: string; multiaddrs: string[]; version: string } {
  const found = text(fields(version)['Version'])
  const [major = 0, minor = 0] = found.split('.').map((part) => Number.parseInt(part, 10))
  if (major === oldestKubo[0] && minor < oldestKubo[1])
    throw new IpfsError(
      'kubo_error',
      `Kubo is ${found}: upgrade it to ${oldestKubo.join('.')} or newer, because in older versions a reprovide run can block all pins`,
      { permanent: true },
    )
  const peerId = text(fields(id)['ID'])
  const addresses = fields(id)['Addresses']
  const multiaddrs = (Array.isArray(addresses) ? addresses : [])
    .map(text)
    .filter((address) => !/^\/ip4\/0\.0\.0\.0\/|^\/ip6\/::\//.test(address))
    .map((address) => (/\/p2p\/[^/]+$/.test(address) ? address : `${address}/p2p/${peerId}`))
  return { peerId, multiaddrs: [...new Set(multiaddrs)], version: found }
}

/** `swarm/peers`: the ids of the connected peers. Kubo says null when there are none. */
export function readPeers(answer: unknown): ReadonlySet<string> {
  const { Peers } = fields(answer)
  return new Set((Array.isArray(Peers) ? Peers : []).map((peer) => text(fields(peer)['Peer'])))
}

/** `repo/stat?size-only=true`. */
export function readRepoStat(answer: unknown): { usedBytes: number; capacityBytes: number } {
  const { RepoSize, StorageMax } = fields(answer)
  return { usedBytes: number(RepoSize), capacityBytes: number(StorageMax) }
}

/** `diag/sys`: bytes free on the disk of the repository. */
export function readDiskFree(answer: unknown): number {
  return number(fields(fields(answer)['diskinfo'])['free_space'])
}

/** One line of `repo/gc?stream-errors=true`: a block that was removed, or one that could not be. */
export function readCollected(line: unknown): 'removed' | 'failed' {
  const { Key, Error } = fields(line)
  if (typeof Error === 'string' && Error !== '') return 'failed'
  text(fields(Key)['/'])
  return 'removed'
}

/** Kubo's errors are `{"Message":…}`. The errors of a proxy or of another kind of server may be anything. */
export function readErrorMessage(body: string): string {
  try {
    return text(fields(JSON.parse(body))['Message'])
  } catch {
    return body.slice(0, 300)
  }
}

function nameOf(pin: Record<string, unknown>): string {
  return pin['Name'] === undefined ? '' : text(pin['Name'])
}

/** The fields of an object. Throws when `value` is not an object. */
export function fields(value: unknown): Record<string, unknown> {
  if (!isRecord(value)) throw unlike('an object', value)
  return value
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw unlike('a text', value)
  return value
}

function number(value: unknown): number {
  if (typeof value !== 'number') throw unlike('a number', value)
  return value
}

function unlike(wanted: string, found: unknown): IpfsError {
  const cause = new Error(`expected ${wanted}, found ${JSON.stringify(found)?.slice(0, 100)}`)
  return new IpfsError('kubo_error', 'the server at the address in kubo.rpc is not a Kubo', { cause })
}

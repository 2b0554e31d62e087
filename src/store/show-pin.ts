import { idOf, type NodeId } from '../core/ids.ts'
import type { Pin } from '../core/pin.ts'
import type { DetailRow, KnownNodes, PinRow } from './pin-rows.ts'
import { fromText, mapMeta } from './text.ts'

/** The pin as the API shows it, from its row and from the placements of its content. */
export function pinOf(row: PinRow, details: DetailRow[], knownNodes: KnownNodes): Pin {
  // a refused pin has no copies, even if other pins of its content have some
  const copies = row.error_code === null ? copiesOf(details, knownNodes) : []
  const lost = row.error_code === null && details.some(isLost)
  return {
    id: idOf('pin', row.id),
    status: row.status,
    created: new Date(row.created),
    cid: row.cid_text ?? row.cid,
    ...(row.name === null ? {} : { name: fromText(row.name) }),
    ...(row.meta === null ? {} : { meta: mapMeta(row.meta, fromText) }),
    ...(row.origins === null ? {} : { origins: row.origins }),
    delegates: delegatesOf(
      copies.filter((copy) => !copy.lost).map((copy) => copy.nodeId),
      knownNodes,
    ),
    info: infoOf(row, copies, lost, details[0]?.dag_size ?? null),
  }
}

/** 1 to 20 unique addresses: the spec demands at least one, and no more than 20. */
export function delegatesOf(nodes: NodeId[], knownNodes: KnownNodes): string[] {
  const addresses = nodes.flatMap((node) => [...knownNodes.addresses(node)])
  return [...new Set(addresses.length > 0 ? addresses : knownNodes.anyAddresses())].slice(0, 20)
}

/** The `info` that an accept can give: how many copies are wanted, and how many of them have a node. */
export function acceptedInfo(
  replicas: number,
  copies: number | null,
  pinned: boolean,
): Record<string, string> {
  const missing = copies === null ? 0 : replicas - copies
  const words = [pinned ? 'pinned' : 'accepted', ...waiting(missing)]
  return { status_details: words.join('; '), replicas: String(replicas) }
}

/** A placement that is to stay, or that still serves the content, as its org sees it. */
interface CopyRow extends DetailRow {
  nodeId: NodeId
  nodeName: string
  nodeWorks: boolean
  /** Its node's Kubo is connected to no other node's. */
  alone: boolean
}

/** The row of `pin_details` which says that the content was lost with a node and has not been pinned since. */
function isLost({ node_id, error_code }: DetailRow): boolean {
  return node_id === null && error_code === 'lost'
}

/** The copies, ordered by the names of their nodes. A copy that is being unpinned does not count as a copy. */
function copiesOf(details: DetailRow[], knownNodes: KnownNodes): CopyRow[] {
  return details
    .flatMap((row) => {
      if (row.node_id === null || row.state === 'unpinning') return []
      const nodeId = idOf('nod', row.node_id)
      return [
        {
          ...row,
          nodeId,
          nodeName: knownNodes.name(nodeId),
          nodeWorks: knownNodes.works(nodeId),
          alone: knownNodes.alone(nodeId),
        },
      ]
    })
    .sort((a, b) => (a.nodeName < b.nodeName ? -1 : 1))
}

/** What the API shows beside a pin's status: words, codes and numbers, and where each copy is. */
function infoOf(
  row: PinRow,
  copies: CopyRow[],
  lost: boolean,
  dagSize: number | null,
): Record<string, string> {
  const info: Record<string, string> = {
    status_details: details(row, copies, lost),
    replicas: String(row.replicas),
  }
  if (copies.length > 0) info.copies = copies.map((copy) => `${copy.nodeName} ${stateOf(copy)}`).join(', ')
  if (row.status === 'pinned') {
    if (dagSize) info.dag_size = String(dagSize)
    return info
  }
  const attempts = sum(copies, 'attempts') - row.attempts_before
  if (attempts > 0) info.attempts = String(attempts)
  if (row.error_code === 'too_big' && dagSize) info.dag_size = String(dagSize)
  const trouble = copies.find((copy) => copy.error_code !== null)
  // what the last attempt met is in the details; only the end of all attempts says more than the loss
  const code = row.error_code ?? (lost && row.status !== 'failed' ? 'lost' : trouble?.error_code)
  if (code) info.error_code = code
  const next = Date.parse(trouble?.next_attempt_at ?? '')
  // work that was set aside has no next attempt (`infinity`)
  if (row.status === 'queued' && Number.isFinite(next)) info.next_retry = new Date(next).toISOString()
  if (row.status === 'pinning') {
    info.blocks = String(sum(underWay(copies), 'blocks'))
    info.bytes = String(sum(underWay(copies), 'bytes'))
  }
  return info
}

function stateOf(copy: CopyRow): string {
  return copy.lost ? 'lost' : copy.leaving ? 'leaving' : (copy.state ?? '')
}

const lostWords =
  'the only copy was on a node that is gone; it is fetched again from the network or its origins'

function details(row: PinRow, copies: CopyRow[], lost: boolean): string {
  const words = ofStatus(row, copies)
  if (!lost || row.status === 'pinned') return words
  return row.status === 'failed'
    ? `${words}; the only copy was on a node that is gone`
    : `${lostWords}; ${words}`
}

function ofStatus(row: PinRow, copies: CopyRow[]): string {
  const trouble = copies.find((copy) => copy.error !== null)?.error
  const left = copies.filter((copy) => copy.state === 'pinned' && !copy.lost)
  const pinned = left.length
  const some =
    pinned > 0 ? [`${pinned} of ${row.replicas} ${plural(row.replicas, 'copy', 'copies')} pinned`] : []
  const missing = waiting(row.replicas - copies.filter(counts).length)
  switch (row.status) {
    case 'pinned':
      return [pinnedOn(pinned, row.replicas), ...unreachable(left), ...missing].join('; ')
    case 'pinning': {
      const fetched = underWay(copies)
      const progress = `fetching: ${sum(fetched, 'blocks')} blocks, ${sum(fetched, 'bytes')} bytes so far`
      return [progress, ...cutOff(copies), ...some, ...missing].join('; ')
    }
    case 'failed':
      if (row.error_code === 'too_big')
        return 'refused: with this content the org would exceed its limit on bytes'
      return trouble ?? 'this pin was refused'
    case 'queued': {
      const lost = lostOn(copies)
      if (trouble)
        return [`waiting to try again: ${trouble}`, ...cutOff(copies), ...some, ...lost, ...missing].join(
          '; ',
        )
      if (copies.some((copy) => counts(copy) && copy.state !== 'pinned'))
        return ['waiting for a node to start on it', ...some, ...lost, ...missing].join('; ')
      return [...some, ...lost, ...missing].join('; ') || 'waiting for a node to start on it'
    }
    default:
      return row.status satisfies never
  }
}

function pinnedOn(pinned: number, replicas: number): string {
  if (pinned >= replicas) return `pinned on ${pinned} ${plural(pinned, 'node', 'nodes')}`
  return `pinned on ${pinned} of ${replicas} nodes`
}

/** In words: the pin is true, and yet its content cannot be had from here at the moment. */
function unreachable(pinned: CopyRow[]): string[] {
  if (pinned.length === 0 || pinned.some(({ nodeWorks }) => nodeWorks)) return []
  return [
    pinned.length === 1
      ? 'this node cannot serve it at the moment'
      : 'these nodes cannot serve it at the moment',
  ]
}

/** In words: copies on nodes that are down. They count again if these nodes come back. */
function lostOn(copies: CopyRow[]): string[] {
  const names = copies.filter(({ lost }) => lost).map(({ nodeName }) => nodeName)
  if (names.length === 0) return []
  return [
    `${names.length === 1 ? 'a copy is' : 'copies are'} on ${names.join(' and ')}, which ${plural(names.length, 'is', 'are')} down`,
  ]
}

/** In words: copies that have no node yet, since too few of the nodes that are up have room. */
function waiting(missing: number): string[] {
  if (missing <= 0) return []
  return [`${missing} ${plural(missing, 'copy waits', 'copies wait')} for a node that has room`]
}

/** In words: copies of which no block has come, on nodes whose Kubos cannot fetch from one another. */
function cutOff(copies: CopyRow[]): string[] {
  const stuck = copies.filter(({ state, blocks, alone }) => alone && state !== 'pinned' && !blocks)
  return stuck.map(({ nodeName }) => `the Kubo of ${nodeName} is not connected to the Kubo of any other node`)
}

/** Whether the pin's status counts this copy, or will once it is pinned. */
function counts(copy: CopyRow): boolean {
  return !copy.lost && !copy.leaving && !(copy.state === 'failed' && copy.error_code === 'node_full')
}

function underWay(copies: CopyRow[]): CopyRow[] {
  return copies.filter((copy) => copy.state === 'pinning')
}

function sum(copies: CopyRow[], field: 'attempts' | 'blocks' | 'bytes'): number {
  return copies.reduce((total, copy) => total + (copy[field] ?? 0), 0)
}

function plural(count: number, one: string, many: string): string {
  return count === 1 ? one : many
}

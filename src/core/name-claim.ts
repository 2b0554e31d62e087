import { AnchorageError } from './errors.ts'
import { refusedSetting, type SharedSettings } from './shared-settings.ts'

/** What a process shows of itself to take a node's name. */
export interface NameClaim {
  /** The random id in its data directory, which it has locked; null: it shows none. */
  folderId: string | null
  /** Where it runs. Two processes with the same value see one another's locks. Null: nothing holds the name after it was taken. */
  machine: string | null
  /** The peer id of its Kubo; null while that does not answer. */
  peerId: string | null
  /** The fingerprint of its master key; null: it shows none. */
  masterKey: string | null
  settings: SharedSettings
}

/** A claim that shows nothing. It gets every name that no process holds. */
export const bareClaim: NameClaim = {
  folderId: null,
  machine: null,
  peerId: null,
  masterKey: null,
  settings: {},
}

/** What is known of a node: what its latest process showed, and its latest sign of life. */
export interface ClaimedNode {
  name: string
  folderId: string | null
  /** Null: its latest process has stopped cleanly, or was of a version that did not show it. */
  machine: string | null
  peerId: string | null
  settings: SharedSettings | null
  /** Its last sign of life in Postgres is fresh. */
  live: boolean
  silentMs: number
}

/** `wait`: the process that held the name may be gone; its sign of life is no longer fresh soon, if it is. */
export type Verdict = { may: 'take' } | { may: 'wait' | 'refuse'; reason: string }

/** The name may be free soon: see `Verdict`. */
export class NameHeld extends AnchorageError {}

/**
 * Whether a process that shows `claim` may take the name `name`. A machine proves that it is the node's by the data folder or by the Kubo.
 * The name is held while its process gives signs of life. On the same machine the lock on the data folder says more: that process is gone.
 */
export function mayTake(name: string, claim: NameClaim, nodes: readonly ClaimedNode[]): Verdict {
  const own = nodes.find((node) => node.name === name) ?? null
  const others = nodes.filter((node) => node.name !== name)
  const reason =
    ofAnother(claim, others) ?? (own && notItsMachine(own, claim)) ?? refusedHere(claim, own, others)
  if (reason !== null) return { may: 'refuse', reason }
  if (own !== null && isHeld(own) && own.machine !== claim.machine)
    return { may: 'wait', reason: heldBy(own) }
  return { may: 'take' }
}

/** Why a node that is bound to the Kubo `bound` must not use the Kubo `found`. */
export function otherKubo(bound: string, found: string): string {
  return (
    `this node belongs to the Kubo ${bound}, but kubo.rpc is the address of ${found}: set kubo.rpc to ` +
    "this node's own Kubo, or use this Kubo with a new node.name; if that Kubo is lost for good, start the node " +
    'once with --adopt'
  )
}

/** Two nodes with one data folder or one Kubo would remove each other's content. */
function ofAnother({ folderId, peerId }: NameClaim, others: readonly ClaimedNode[]): string | null {
  const folder = others.find((other) => folderId !== null && other.folderId === folderId)
  if (folder !== undefined)
    return (
      `data.dir belongs to the node ${folder.name}: set node.name to ${folder.name}, or give this node an ` +
      'empty data.dir'
    )
  const kubo = others.find((other) => peerId !== null && other.peerId === peerId)
  return kubo === undefined ? null : kuboOfAnother(kubo.name)
}

/** Why a node must not use the Kubo of the node `name`. */
export function kuboOfAnother(name: string): string {
  return `the Kubo at kubo.rpc belongs to the node ${name}: set kubo.rpc to this node's own Kubo`
}

function notItsMachine(own: ClaimedNode, claim: NameClaim): string | null {
  const isFolder = claim.folderId === null || own.folderId === null || own.folderId === claim.folderId
  if (!isFolder && isHeld(own)) return heldBy(own)
  const isBound = claim.peerId !== null && own.peerId !== null
  if (isBound && own.peerId !== claim.peerId) return otherKubo(own.peerId ?? '', claim.peerId ?? '')
  if (isFolder || isBound) return null
  return (
    `the node ${own.name} has another data.dir than this one: set data.dir to it, or give this node a ` +
    `node.name of its own; if this machine replaces ${own.name} for good, start it once with --adopt`
  )
}

function refusedHere(
  { settings }: NameClaim,
  own: ClaimedNode | null,
  others: readonly ClaimedNode[],
): string | null {
  return refusedSetting(settings, own?.settings ?? null, settingsOfLive(others))
}

/** The settings of the nodes that run now. */
export function settingsOfLive(nodes: readonly ClaimedNode[]): { name: string; settings: SharedSettings }[] {
  return nodes.flatMap((node) =>
    isHeld(node) && node.settings !== null ? [{ name: node.name, settings: node.settings }] : [],
  )
}

function isHeld({ live, machine }: ClaimedNode): boolean {
  return live && machine !== null
}

function heldBy({ name, silentMs }: ClaimedNode): string {
  return (
    `another process runs as the node ${name}, and gave a sign of life ${Math.max(0, Math.round(silentMs / 1000))} s ago: ` +
    'give this node a node.name of its own, or stop the other process'
  )
}

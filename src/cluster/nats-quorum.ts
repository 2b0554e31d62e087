/** A node whose nats-server belongs to the cluster, as Postgres knows it. */
export interface Member {
  /** The name of its nats-server: the node's id. */
  name: string
  /** How long ago the node's last sign of life was, ms. */
  silentMs: number
  /** The node has been up once. False for one whose first start failed. */
  served: boolean
}

/** JetStream's group, as one of its servers sees it. */
export interface MetaGroup {
  /** Null while the group has no quorum, as far as this server knows. */
  leader: string | null
  /** How many servers the group counts, whether they run or not. More than half of them make a quorum. */
  size: number
}

const freshMs = 15_000
/** A node that never served has nothing in JetStream. One that did is given time for a long outage. */
const neverServedMs = 60_000
const servedMs = 3_600_000

/**
 * The members that JetStream need not count any more: their nodes are silent for long. None while the live members do not outnumber them:
 * perhaps it is we who are cut off.
 */
export function goneMembers(members: readonly Member[]): Member[] {
  const gone = members.filter(({ silentMs, served }) => silentMs > (served ? servedMs : neverServedMs))
  return liveOf(members) > gone.length ? gone : []
}

/**
 * Whether JetStream can have no quorum again by itself, although most nodes are live: it counts servers that never come back, and without
 * a quorum it cannot remove them. False while as many nodes live as a quorum takes: their servers are only electing a leader.
 */
export function isStuck({ leader, size }: MetaGroup, members: readonly Member[]): boolean {
  if (leader !== null) return false
  const live = liveOf(members)
  const isMajority = live > (members.length - goneMembers(members).length) / 2
  return isMajority && live <= size / 2
}

function liveOf(members: readonly Member[]): number {
  return members.filter(({ silentMs }) => silentMs < freshMs).length
}

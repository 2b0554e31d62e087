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
  /** The servers that this one has a route to, and itself. */
  reached: ReadonlySet<string>
}

const freshMs = 15_000
/** A node that never served has nothing in JetStream. One that did is given time for a long outage. */
const neverServedMs = 60_000
const servedMs = 3_600_000
/** An election takes up to nine seconds, and longer on a busy machine. */
const hopelessMs = 30_000
const leaderlessMs = 90_000

/**
 * The members that JetStream need not count any more: their nodes are silent for long. None while the live members do not outnumber them:
 * perhaps it is we who are cut off.
 */
export function goneMembers(members: readonly Member[]): Member[] {
  const gone = members.filter(({ silentMs, served }) => silentMs > (served ? servedMs : neverServedMs))
  const live = members.filter(({ silentMs }) => silentMs < freshMs)
  return live.length > gone.length ? gone : []
}

/**
 * For how long JetStream may have no leader before its servers begin again, ms; null while it has one, or while this server does not reach
 * the servers of a majority of the nodes. It is short when JetStream counts so many servers that never come back that no election can be
 * won: without a leader these cannot be removed.
 */
export function leaderlessPatience(
  { leader, size, reached }: MetaGroup,
  members: readonly Member[],
): number | null {
  const here = members.filter(({ name }) => reached.has(name)).length
  const needed = (members.length - goneMembers(members).length) / 2
  if (leader !== null || here <= needed) return null
  return here <= size / 2 ? hopelessMs : leaderlessMs
}

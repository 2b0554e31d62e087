import { AnchorageError } from './errors.ts'
import type { NodeId, OrgId } from './ids.ts'
import type { Loss, SoleContent } from './loss.ts'
import type { Node } from './node.ts'
import type { NodeReport } from './node-report.ts'
import type { OperatorStore } from './ports.ts'

/** How operators delete a node that never comes back. */
export interface ForgetUseCases {
  /** What is lost with the node. Reads all of its placements. `conflict` while the node is alive. */
  lossOf(node: string): Promise<Loss>
  /** The contents that are lost with the node, in the order of CIDs, a page at a time. */
  lostContents(node: string): AsyncIterable<SoleContent[]>
  /**
   * Deletes the node from the database. `conflict` while it is alive, and while it has content that no other node has, unless `acceptLoss`:
   * then that content is queued again on other nodes, to be fetched from the network or from its origins. A call that breaks off can be
   * repeated. Returns the deleted node.
   */
  forget(node: string, actor: string, options?: ForgetOptions): Promise<Node>
}

export interface ForgetOptions {
  acceptLoss?: boolean
  /** Called from time to time with the number of placements that were removed, and that there were. */
  onRemoved?: (removed: number, of: number) => void
}

/** A sign of life that is older than this says nothing about now. */
const freshMs = 15_000
/** Placements read in one step. */
const page = 5_000

export function forgetUseCases(parts: {
  store: Pick<OperatorStore, 'reports' | 'soleContents' | 'forget'>
  find: (given: string) => Promise<Node>
  announce: () => Promise<void>
}): ForgetUseCases {
  const { store } = parts
  const gone = async (given: string): Promise<Node> => {
    const node = await parts.find(given)
    const sign = signOfLife(node, await store.reports())
    if (sign !== null)
      throw new AnchorageError('conflict', `the node ${node.name} is alive: ${sign}; stop it first`)
    return node
  }
  return {
    lossOf: async (given) => (await addUp(store, (await gone(given)).id)).loss,
    async *lostContents(given) {
      for await (const { contents } of steps(store, (await gone(given)).id))
        if (contents.length > 0) yield contents
    },
    async forget(given, actor, { acceptLoss = false, onRemoved = () => {} } = {}) {
      const node = await gone(given)
      const { loss, placements } = await addUp(store, node.id)
      if (loss.contents > 0 && !acceptLoss) throw refusal(node, loss)
      const counted = loss.contents > 0 ? { placements, lost: loss } : { placements }
      await store.forget(node.id, actor, { acceptLoss, counted, onRemoved })
      await parts.announce()
      return node
    },
  }
}

/** Why a node counts as alive, in words: its own sign in Postgres, or another live node that hears its heartbeats. Null when it is gone. */
export function signOfLife(
  { id, name, live, silentMs }: Node,
  reports: readonly { node: Node; report: Pick<NodeReport, 'heard'> | null }[],
): string | null {
  if (live) return `${name} wrote to the database ${seconds(silentMs)} ago`
  for (const { node, report } of reports) {
    const heardMs = report?.heard?.[id]
    // a report is as old as the sign that it came with
    if (node.id !== id && node.live && heardMs !== undefined && heardMs + node.silentMs < freshMs)
      return `${node.name} heard its heartbeats ${seconds(heardMs + node.silentMs)} ago`
  }
  return null
}

/** Refuses to delete a node that has content which no other node has. */
function refusal({ name }: Node, { contents, pins, orgs }: Loss): AnchorageError {
  return new AnchorageError(
    'conflict',
    `no other node has ${contents} of the contents of ${name}, which ${pins} pins of ${orgs} orgs want. If the machine or ` +
      `its Kubo's disk can come back, start it again, and drain it if it is to go. If it is gone for good: ` +
      `anchorage admin forget ${name} --accept-loss`,
  )
}

async function addUp(
  store: Pick<OperatorStore, 'soleContents'>,
  nodeId: NodeId,
): Promise<{ loss: Loss; placements: number }> {
  const orgs = new Set<OrgId>()
  const loss: Loss = { contents: 0, pins: 0, orgs: 0, bytes: 0 }
  let placements = 0
  for await (const step of steps(store, nodeId)) {
    placements += step.seen
    for (const org of step.orgs) orgs.add(org)
    for (const { pins, bytes } of step.contents) {
      loss.contents++
      loss.pins += pins
      loss.bytes += bytes
    }
  }
  return { loss: { ...loss, orgs: orgs.size }, placements }
}

async function* steps(store: Pick<OperatorStore, 'soleContents'>, nodeId: NodeId) {
  for (let after: string | null = ''; after !== null;) {
    const step: Awaited<ReturnType<OperatorStore['soleContents']>> = await store.soleContents(
      nodeId,
      after,
      page,
    )
    yield step
    after = step.last
  }
}

function seconds(ms: number): string {
  return `${Math.round(Math.max(ms, 0) / 1000)} s`
}

import { AnchorageError, isCode } from '../core/errors.ts'
import type { Degradation, Inability, NodeIdentity } from '../core/node.ts'
import type { Clock, Log } from '../core/ports.ts'
import type { NodeStore, Sign } from '../store/nodes.ts'
import { every } from './every.ts'
import type { LiveNodes } from './live-nodes.ts'

/** This node's knowledge of Postgres. */
export interface PostgresWatch {
  /** Null while Postgres accepts writes of both roles and has a schema and settings with which this version can serve. */
  trouble(): Degradation | null
  /** The same with the time that it lasts; also when a call has been without an answer for a while. */
  unable(): Inability | null
  /** Writes this node's sign of life and its report at once, so that readers see a change. */
  signNow(): Promise<void>
  run(signal: AbortSignal): Promise<void>
}

export interface PostgresWatchParts {
  store: Pick<NodeStore, 'proveWrites' | 'assertReady' | 'see' | 'extendAudit'>
  node: NodeIdentity
  nodes: Pick<LiveNodes, 'refresh'>
  sign: () => Sign
  clock: Clock
  log: Log
  /** Called when another process runs as this node: this one must end. */
  onReplaced: (error: AnchorageError) => void
  /** Called when Postgres answers again. */
  onReturn: () => void
}

const everyMs = 2_000
/** A call without an answer for this long is trouble already, although it may still succeed. */
const slowMs = 10_000
/** In rounds: write `last_seen` every 10 s, check the schema every minute, extend the audit's partitions every hour. */
const seeEvery = 5
const assertEvery = 30
const extendEvery = 1_800

/**
 * Writes as each role and reads the nodes every two seconds. Writes this node's sign of life every ten seconds, and checks every minute
 * that the schema still fits. A call without an answer fails after 20 s, so this knowledge is never older than half a minute.
 */
export function postgresWatch({
  store,
  node,
  nodes,
  sign,
  clock,
  log,
  onReplaced,
  onReturn,
}: PostgresWatchParts): PostgresWatch {
  let trouble: Degradation | null = null
  let round = 0
  let reachedAtMs = clock.steadyMs()

  let seen = Promise.resolve()

  // One sign at a time, each as of when it is sent: an older one must not be written after a newer one.
  const see = (): Promise<void> => (seen = seen.catch(() => {}).then(seeOnce))
  const seeOnce = async (): Promise<void> => {
    if (await store.see(node, sign())) return
    const message = 'another process has started with the same node.name; give each node its own'
    onReplaced(new AnchorageError('conflict', message))
  }
  const look = async (): Promise<void> => {
    await store.proveWrites()
    if (round % assertEvery === assertEvery - 1) await store.assertReady()
    if (round % seeEvery === 0) await see()
    if (round % extendEvery === 0) await store.extendAudit()
    await nodes.refresh()
    round++
    reachedAtMs = clock.steadyMs()
    if (trouble === null) return
    trouble = null
    log.info({}, 'Postgres is available again')
    onReturn()
  }
  const fail = (error: unknown): void => {
    const reason = error instanceof Error ? error.message : String(error)
    if (trouble === null)
      log.warn(
        { err: error },
        'Postgres cannot be reached or is read-only; requests are refused until it is available again',
      )
    trouble = { what: isCode(error, 'unavailable') ? 'postgres' : 'schema', reason }
  }

  return {
    trouble: () => trouble,
    unable() {
      const forMs = clock.steadyMs() - reachedAtMs
      if (trouble === null && forMs < slowMs) return null
      return { what: 'postgres', forMs, reason: trouble?.reason ?? 'Postgres does not answer' }
    },
    // If this fails, the next sign of life carries the same report.
    signNow: () => see().catch(() => {}),
    run: (signal) => every(everyMs, look, { clock, signal, onError: fail }),
  }
}

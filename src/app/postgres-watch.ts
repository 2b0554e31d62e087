import { AnchorageError, isCode } from '../core/errors.ts'
import type { Degradation } from '../core/node.ts'
import type { Clock, Log, NodeIdentity } from '../core/ports.ts'
import type { NodeStore } from '../store/store.ts'
import { every } from './every.ts'
import type { LiveNodes } from './live-nodes.ts'

/** What this node knows of Postgres. */
export interface PostgresWatch {
  /** Null while Postgres answers with a schema that this version serves. */
  trouble(): Degradation | null
  run(signal: AbortSignal): Promise<void>
}

export interface PostgresWatchParts {
  store: NodeStore
  node: NodeIdentity
  nodes: LiveNodes
  sign: () => { usedBytes: number | null; capacityBytes: number | null }
  clock: Clock
  log: Log
  /** Another process runs as this node: this one must end. */
  onReplaced: (error: AnchorageError) => void
}

const everyMs = 2_000
/** Of these rounds: `last_seen` every 10 s, the schema every minute, the audit's partitions every hour. */
const seeEvery = 5
const assertEvery = 30
const extendEvery = 1_800

/** Reads the nodes every two seconds, signs this one in every ten, and asks now and then whether the schema still fits. */
export function postgresWatch({
  store,
  node,
  nodes,
  sign,
  clock,
  log,
  onReplaced,
}: PostgresWatchParts): PostgresWatch {
  let trouble: Degradation | null = null
  let round = 0

  const look = async (): Promise<void> => {
    if (round % assertEvery === assertEvery - 1) await store.assertReady()
    if (round % seeEvery === 0 && !(await store.see(node, sign())))
      onReplaced(
        new AnchorageError('conflict', 'another process has started as this node; node.name must be unique'),
      )
    if (round % extendEvery === 0) await store.extendAudit()
    await nodes.refresh()
    round++
    if (trouble !== null) log.info({}, 'Postgres answers')
    trouble = null
  }
  const fail = (error: unknown): void => {
    const reason = error instanceof Error ? error.message : String(error)
    if (trouble === null)
      log.warn({ err: error }, 'Postgres is not at hand; requests are refused until it is')
    trouble = { what: isCode(error, 'unavailable') ? 'postgres' : 'schema', reason }
  }

  return {
    trouble: () => trouble,
    run: (signal) => every(everyMs, look, { clock, signal, onError: fail }),
  }
}

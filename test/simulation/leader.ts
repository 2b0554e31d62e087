import { contend } from '../../src/cluster/lease.ts'
import type { Epoch } from '../../src/core/epoch.ts'
import { isCode } from '../../src/core/errors.ts'
import type { NodeId } from '../../src/core/ids.ts'
import type { Node } from '../../src/core/node.ts'
import type { Job } from '../../src/core/placement.ts'
import type { RepairPolicy } from '../../src/core/plan-repair.ts'
import type { Bus, Log } from '../../src/core/ports.ts'
import { silentLog } from '../../src/core/silent-log.ts'
import { driver } from '../../src/workers/driver.ts'
import { rebalance } from '../../src/workers/rebalance.ts'
import { repair } from '../../src/workers/repair.ts'
import { sweep } from '../../src/workers/sweep.ts'
import type { Random } from '../../testing/random.ts'
import type { LeaseKey } from './lease-key.ts'
import { LeaderStore, type LeaderStoreParts } from './leader-store.ts'
import type { Process } from './process.ts'

export interface CandidateParts extends Omit<LeaderStoreParts, 'process'> {
  key: LeaseKey
  random: Random
  policy: RepairPolicy
  nodes: () => readonly Node[]
  /** Called before repair looks at the nodes. */
  onLook: () => void
  listenedMs: () => number
  listenAgain: () => void
  publish: (job: Job) => void
  onLead: (epoch: Epoch, nodeId: NodeId) => void
  /** Called when a worker fails for another reason than a refused write or a lost answer. */
  onError: (error: Error) => void
}

const leaseTtlMs = 10_000
const termLimits = { tries: 3, patienceMs: 10_000 }

/**
 * A process that contends for leadership, with the real lease, driver and workers: repair, rebalance and the sweep. It never stops by itself;
 * it dies with its process.
 */
export function startCandidate(nodeId: NodeId, process: Process, parts: CandidateParts): void {
  const { random, policy, nodes, key, listenedMs, listenAgain, onLead } = parts
  const store = new LeaderStore({ ...parts, process })
  const log = logOf(parts.onError)
  const bus = busOf(parts.publish)
  const loops = driver({ clock: process, log, random: () => random.next(), limits: termLimits })
  const common = { bus, acceptMs: () => null, clock: process, log: silentLog }
  const limits = { moves: 64, bytes: Number.MAX_SAFE_INTEGER }
  const look = (): readonly Node[] => {
    parts.onLook()
    return nodes()
  }
  loops.add(repair({ ...common, store: store.repair(), nodes: look, policy, listenedMs, listenAgain }))
  loops.add(rebalance({ ...common, plans: store.plans(), copies: store.repair(), limits }))
  loops.add(sweep({ store: store.sweep(), bus, log: silentLog }))
  // signals remember what waits for them, so no two worlds share one
  const never = new AbortController().signal
  void loops.run(never)
  void contend(
    {
      nodeId,
      ttlMs: leaseTtlMs,
      clock: process,
      random: () => random.next(),
      key: key.for(process),
      epochs: store.epochs(),
      onLead: async (epoch, signal) => {
        onLead(epoch, nodeId)
        await loops.lead(epoch, signal)
      },
      log: silentLog,
    },
    never,
  )
}

/** A log that reports the failures of workers that no fault of the simulation explains, nor the end of their term. */
function logOf(onError: (error: Error) => void): Log {
  const warn = (fields: object): void => {
    const error = 'err' in fields ? fields.err : null
    if (!(error instanceof Error) || isCode(error, 'unavailable', 'maintenance', 'not_leading')) return
    if (!/^the (lease was lost|epoch is over)/.test(error.message)) onError(error)
  }
  return { ...silentLog, warn, child: () => logOf(onError) }
}

function busOf(publish: (job: Job) => void): Bus {
  return {
    publishJobs: (jobs) => Promise.resolve(jobs.forEach(publish)),
    consumeJobs: () => new Promise(() => {}),
    trouble: () => null,
  }
}

// A thread of `main.ts`: runs the next seed that no other thread has begun, until none is left, and posts each result.
import { parentPort, workerData } from 'node:worker_threads'
import { runSeed, runTrace } from './run-seed.ts'
import { openTraces } from './trace/traces.ts'

const { next, end, againstPostgres } = workerData as {
  next: Int32Array
  end: number
  againstPostgres: boolean
}
await using traces = againstPostgres ? await openTraces() : null
for (let seed = Atomics.add(next, 0, 1); seed < end; seed = Atomics.add(next, 0, 1))
  parentPort?.postMessage(await (traces === null ? runSeed(seed) : runTrace(traces, seed)))

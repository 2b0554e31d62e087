import { History } from './history.ts'
import type { Traces } from './trace/traces.ts'
import { Broken } from './watch.ts'
import { World } from './world.ts'
import { denseWorld } from './worlds.ts'

/** How the run of one seed ended. */
export interface SeedResult {
  seed: number
  /** The invariant that broke, or the error that ended the run; null when all is well. */
  broken: string | null
  /** How often each kind of fault happened. */
  faults: [name: string, times: number][]
  simulatedMs: number
}

/** Runs the dense world of this seed. */
export async function runSeed(seed: number): Promise<SeedResult> {
  const world = new World(denseWorld(seed))
  const broken = await world.run().then(
    () => null,
    (error: unknown) => inWords(error),
  )
  return { seed, broken, faults: [...world.faults], simulatedMs: world.time.now }
}

/** Runs the seed again, and returns all that happened to the content that broke an invariant. All is well when `broken` is null. */
export async function replaySeed(seed: number): Promise<{ broken: string | null; lines: string[] }> {
  const world = new World(denseWorld(seed))
  const history = new History(() => world.time.now)
  world.record(history)
  try {
    await world.run()
    return { broken: null, lines: [] }
  } catch (error) {
    return { broken: inWords(error), lines: history.of(error instanceof Broken ? error.cid : null) }
  }
}

/** Compares the store of the simulation with the one on Postgres, in the trace of this seed. */
export async function runTrace(traces: Traces, seed: number): Promise<SeedResult> {
  const broken = await traces.run(seed).then(
    () => null,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
  return { seed, broken, faults: [], simulatedMs: 0 }
}

function inWords(error: unknown): string {
  if (error instanceof Broken) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

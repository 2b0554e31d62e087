import type { WorldOptions } from './world.ts'

/** A few nodes with some dozens of contents, and a fault every few seconds: such a world finds more in the same time than a large one. */
export function denseWorld(seed: number): WorldOptions {
  return {
    seed,
    nodes: 4 + (seed % 3),
    placements: 30,
    faultsMs: 600_000,
    faultEveryMs: 6_000,
    clientEveryMs: 3_000,
    goesBack: true,
  }
}

/** Hundreds of nodes with a hundred thousand placements. */
export function wideWorld(seed: number): WorldOptions {
  return {
    seed,
    nodes: 300,
    placements: 100_000,
    faultsMs: 300_000,
    faultEveryMs: 4_000,
    clientEveryMs: 200,
    goesBack: false,
  }
}

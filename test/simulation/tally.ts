import type { SeedResult } from './run-seed.ts'

/** Counts the seeds, and prints each one that failed at once. */
export class Tally {
  readonly #count: number
  readonly #flags: string
  readonly #beganMs = performance.now()
  readonly #faults = new Map<string, number>()
  readonly #failed: number[] = []
  #done = 0
  #simulatedMs = 0

  /** `flags`: what the command that replays a seed needs as well. */
  constructor(count: number, flags: string) {
    this.#count = count
    this.#flags = flags
  }

  add({ seed, broken, faults, simulatedMs }: SeedResult): void {
    this.#done++
    this.#simulatedMs += simulatedMs
    for (const [name, times] of faults) this.#faults.set(name, (this.#faults.get(name) ?? 0) + times)
    if (broken === null) return
    this.#failed.push(seed)
    console.log(`✖ seed ${seed}: ${broken}`)
    console.log(`  replay it: npm run test:simulation -- --seed ${seed}${this.#flags}`)
  }

  print(): void {
    const aSecond = (1_000 * this.#done) / (performance.now() - this.#beganMs)
    const rate = aSecond < 10 ? aSecond.toFixed(1) : Math.round(aSecond)
    console.log(
      `${this.#done} of ${this.#count} seeds, ${rate} seeds a second, ${this.#failed.length} failed`,
    )
  }

  /** Prints the result; true when every seed has run, and none failed. */
  end(): boolean {
    for (const [name, times] of [...this.#faults].toSorted(([a], [b]) => a.localeCompare(b)))
      console.log(`${String(times).padStart(9)} × ${name}`)
    if (this.#simulatedMs > 0) console.log(`${Math.round(this.#simulatedMs / 3_600_000)} simulated hours`)
    this.print()
    if (this.#done < this.#count)
      console.log(`✖ ${this.#count - this.#done} seeds did not run: a thread ended early`)
    return this.#done === this.#count && this.#failed.length === 0
  }
}

import { Random } from '../simulation/random.ts'

/** What the run's seed decides: `SEED` in the environment, as `npm run test:faults` prints it; 1 without one. */
const random = new Random(Number(process.env['SEED'] ?? 1))

/** The same things in an order that the seed decides. */
export function shuffled<T>(things: readonly T[]): T[] {
  return random.shuffled(things)
}

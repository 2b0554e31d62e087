import { Random } from '../../testing/random.ts'

/** Makes all random choices of the run from `SEED` in the environment, which `npm run test:faults` prints; the default is 1. */
const random = new Random(Number(process.env['SEED'] ?? 1))

/** The same items in an order that the seed decides. */
export function shuffled<T>(things: readonly T[]): T[] {
  return random.shuffled(things)
}

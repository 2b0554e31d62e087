import type { Config } from '../../config/config.ts'
import { inOneLine } from '../../core/errors.ts'
import { fail, type Check, type Finding } from './finding.ts'
import { nodeAt } from './node.ts'

/** A check that takes longer than this is given up: a server that answers this late does not work either. */
const patienceMs = 20_000

/** Yields the findings of the checks for this config, one check after the other. A check that cannot look is a failure under its name. */
export async function* look(
  config: Config,
  checks: [name: string, check: Check][],
  signal: AbortSignal,
): AsyncIterable<Finding> {
  const patient = { config, node: await nodeAt(config, signal) }
  for (const [name, check] of checks) {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)])
    yield* await Promise.race([check(patient, bounded), rejection(bounded)]).catch((error: unknown) => {
      signal.throwIfAborted()
      return [fail(name, inOneLine(error), null)]
    })
  }
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const give = () => reject(new Error(`no answer within ${patienceMs / 1000} s`))
    signal.addEventListener('abort', give, { once: true })
  })
}

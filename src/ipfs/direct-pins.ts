import { readPin } from './kubo-answers.ts'
import { kuboDown } from './kubo-errors.ts'
import { pinName } from './pin-name.ts'
import type { Rpc } from './rpc.ts'

const listTimeoutMs = 30_000

/** The names of Kubo's direct pins (those that hold one block only), as they were a moment ago. */
export interface DirectPins {
  /** The name of the direct pin of `cid`, empty when it has none; null when there is no such pin. */
  nameOf(cid: string, signal: AbortSignal): Promise<string | null>
}

/**
 * Direct pins are never ours and rarely exist, and a question about one costs as much as a question about a recursive pin. So their list,
 * which is nearly always empty, is read at most every `maxAgeMs` instead of once per pin. When there are more than `maxKept` (an operator
 * has pinned many single blocks), each is asked for separately, so that memory stays flat.
 */
export function directPins(rpc: Rpc, { maxAgeMs = 500, maxKept = 1_000 } = {}): DirectPins {
  let names: Map<string, string> | null = null
  let readAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | null = null

  async function read(): Promise<void> {
    const found = new Map<string, string>()
    const startedAt = performance.now()
    // The list has a time limit of its own: many pins wait for one reading, and none of them may end it for the others.
    const limit = AbortSignal.timeout(listTimeoutMs)
    try {
      for await (const line of rpc.stream('pin/ls?type=direct&names=true&stream=true', limit)) {
        const { cid, name } = readPin(line)
        found.set(cid, name)
        if (found.size > maxKept) break
      }
    } catch (error) {
      throw limit.aborted ? kuboDown(error) : error
    }
    names = found.size > maxKept ? null : found
    readAt = startedAt
  }

  return {
    async nameOf(cid, signal) {
      if (performance.now() - readAt > maxAgeMs) {
        reading ??= read().finally(() => (reading = null))
        await reading
        signal.throwIfAborted()
      }
      return names ? (names.get(cid) ?? null) : pinName(rpc, cid, 'direct', signal)
    },
  }
}

import { readErrorMessage, readPinLs } from './kubo-answers.ts'
import { successOf, type Rpc } from './rpc.ts'

/**
 * The name of Kubo's pin of `cid` of that type; empty for a pin without a name, null when there is no such pin. `type` is never `all`: for
 * a CID without a pin of its own, Kubo would walk every DAG it has.
 */
export async function pinName(
  rpc: Rpc,
  cid: string,
  type: 'recursive' | 'direct',
  signal: AbortSignal,
): Promise<string | null> {
  const answer = await rpc.ask(`pin/ls?arg=${encodeURIComponent(cid)}&type=${type}&names=true`, signal)
  // Kubo says no with an error. Here no is the usual answer, so it does not become an exception.
  if (answer.status === 500 && readErrorMessage(answer.text).endsWith('is not pinned')) return null
  return readPinLs(successOf(answer))
}

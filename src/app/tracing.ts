import type { NodeIdentity } from '../core/node.ts'
import type { Log } from '../core/ports.ts'
import { untracedAttempts, type Tracing } from '../core/tracing.ts'
import type { Config } from '../config/config.ts'
import { version } from '../core/version.ts'

/** Traces nothing: returns everything as it is given. */
const untraced: Tracing = {
  request: null,
  traceparent: null,
  pins: (useCases) => useCases,
  bus: (bus) => bus,
  ipfs: (ipfs) => ipfs,
  attempts: untracedAttempts,
}

/** Tracing as the config says. Without `tracing.endpoint`, its code is not even loaded. */
export async function tracingOf(
  { tracing, node: { name } }: Config,
  { nodeId }: NodeIdentity,
  log: Log,
  undo: AsyncDisposableStack,
): Promise<Tracing> {
  const { endpoint, percent } = tracing
  if (endpoint === undefined) return untraced
  const { openTracing } = await import('../tracing/tracing.ts')
  const service = { version: version, nodeId, nodeName: name }
  return undo.use(openTracing({ endpoint, percent, service, log }))
}

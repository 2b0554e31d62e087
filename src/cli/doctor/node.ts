import type { Config } from '../../config/config.ts'
import { version } from '../../core/version.ts'
import type { Health } from '../../http/health.ts'
import { fail, ok, skip, warn, type Check } from './finding.ts'

/** The health that the node with this config reports; null when no node of that name answers at `http.listen`. */
export async function nodeAt({ http, node }: Config, signal: AbortSignal): Promise<Health | null> {
  try {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(2_000)])
    const response = await fetch(`${urlOf(http.listen)}/v1/health`, { signal: bounded })
    const said: Health = { away: null, ...JSON.parse(await response.text()) }
    return said.node.name === node.name && Array.isArray(said.reasons) ? said : null
  } catch {
    signal.throwIfAborted()
    return null
  }
}

/** Reports the complaints of the running node. */
export const checkNode: Check = async ({ config, node }) => {
  const at = urlOf(config.http.listen)
  if (node === null)
    return [skip('node', `${config.node.name} does not run now: no node of that name answers at ${at}`)]
  const own = version
  const stale =
    node.version === own
      ? []
      : [
          warn(
            'node',
            `the node runs version ${node.version}, and this program is ${own}`,
            'restart the node, so that it runs the installed version',
          ),
        ]
  if (node.reasons.length === 0)
    return [ok('node', `${node.node.name} (${node.node.id}) runs ${node.version}, and is healthy`), ...stale]
  // A drain and maintenance are complaints too, but an operator asked for them, so they only warn.
  const complaints = node.reasons.map(({ what, reason }) =>
    (faults.has(what) ? fail : warn)('node', `${what}: ${reason}`, null),
  )
  return [...complaints, ...stale]
}

const faults: ReadonlySet<string> = new Set(['nats', 'kubo', 'postgres', 'schema', 'siblings', 'history'])

function urlOf({ host, port }: Config['http']['listen']): string {
  // A node that listens on all addresses answers on loopback.
  const reached = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reached.includes(':') ? `[${reached}]` : reached}:${port}`
}

/**
 * Runs the node of the config that `ANCHORAGE_CONFIG` names, until it is told to stop, with a second HTTP server. That server treats
 * every request as one from the principal that `--org` and `--token` name, and does not rate-limit it. Both servers lead to the same use
 * cases. Sends their URLs to its parent.
 */
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { loadConfig } from '../src/config/config.ts'
import { environment } from '../src/config/environment.ts'
import { startNode } from '../src/app/node.ts'
import { parseId } from '../src/core/ids.ts'
import { scopes, type OrgPrincipal } from '../src/core/token.ts'
import { httpServer, type HttpServerOptions } from '../src/http/server.ts'

export interface Doors {
  guarded: string
  unguarded: string
}

const flags = {
  org: { type: 'string', default: '' },
  token: { type: 'string', default: '' },
} as const

if (import.meta.main) await serve(parseArgs({ options: flags }).values)

async function serve({ org, token }: { org: string; token: string }): Promise<void> {
  const anybody: OrgPrincipal = {
    actor: parseId('tok', token),
    orgId: parseId('org', org),
    scopes: new Set(scopes),
    until: null,
  }
  const stop = new AbortController()
  process.once('SIGTERM', () => stop.abort())
  let other: ReturnType<typeof httpServer> | undefined
  const alsoUnguarded = (options: HttpServerOptions): HttpServerOptions => {
    const { rateLimits: _, ...rest } = options
    other = httpServer({ ...rest, verify: async () => anybody })
    return options
  }
  await using node = await startNode(loadConfig({ env: environment() }), stop.signal, alsoUnguarded)
  const unguarded = (await other?.listen({ host: '127.0.0.1', port: 0 })) ?? ''
  const doors: Doors = { guarded: node.url, unguarded }
  process.send?.(doors)
  if (!stop.signal.aborted) await Promise.race([once(stop.signal, 'abort'), node.ended])
  await other?.close()
  process.disconnect?.()
}

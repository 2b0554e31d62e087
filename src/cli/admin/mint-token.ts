import { durationOf, noMore, required } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json } from '../print.ts'
import type { Io } from '../verb.ts'
import { withMinter } from './with-tokens.ts'

export const usage = `
Usage: anchorage admin mint-token --org SLUG --scopes pins:read,pins:write,pins:delete --ttl 90d
                                  [--name NAME] [--json] [--config FILE] [--OPTION VALUE …]

Prints a new API token, alone on standard output. It is shown this once and kept nowhere.
--json prints {"token","id","kid","expiresAt"}. Works on the database of the node's own config, also while no node runs.
`

const options = {
  org: { type: 'string' },
  scopes: { type: 'string' },
  ttl: { type: 'string' },
  name: { type: 'string' },
  json: { type: 'boolean' },
} as const

/** Mints a token for an org. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, options, io)
  noMore(positionals)
  const slug = required(values.org, '--org SLUG')
  const scopes = required(values.scopes, '--scopes LIST')
    .split(',')
    .map((scope) => scope.trim())
  const ttlMs = durationOf(required(values.ttl, '--ttl DURATION'), '--ttl')
  const minted = await withMinter(config, async (mint, store) => {
    const orgId = await store.orgBySlug(slug)
    return await mint.mint({ orgId, name: values.name ?? null, scopes, ttlMs, createdBy: null })
  })
  const { token, id, kid, expiresAt } = minted
  io.out(values.json ? json({ token, id, kid, expiresAt: expiresAt.toISOString() }) : `${token}\n`)
}

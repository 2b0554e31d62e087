import { durationOf, nonEmpty } from '../arguments.ts'
import { configuredVerb } from '../config-arguments.ts'
import { json } from '../print.ts'
import { withMinter } from './with-tokens.ts'

/** Mints a token for an org. */
export const command = configuredVerb(
  {
    about: `Prints a new API token, alone on standard output. It is shown this once and kept nowhere.
Works on the database of the node's own config, also while no node runs.`,
    json: '{"token","id","kid","expiresAt"}.',
    examples: ['admin mint-token --org acme --scopes pins:read,pins:write,pins:delete --ttl 90d --name ci'],
  },
  (bare) =>
    bare
      .requiredOption('--org <SLUG>', 'whose token it is', nonEmpty('--org'))
      .requiredOption(
        '--scopes <LIST>',
        'what it may do: of pins:read, pins:write, pins:delete and others, with commas between them',
        nonEmpty('--scopes'),
      )
      .requiredOption('--ttl <DURATION>', 'how long it is good, such as 90d', durationOf('--ttl'))
      .option('--name <NAME>', 'for people, who find it in a list by this'),
  async (_args, { org: slug, scopes: listed, ttl: ttlMs, name = null }, io, config) => {
    const scopes = listed.split(',').map((scope) => scope.trim())
    const minted = await withMinter(config, async (mint, store) => {
      const orgId = await store.orgBySlug(slug)
      return await mint.mint({ orgId, name, scopes, ttlMs, createdBy: null })
    })
    const { token, id, kid, expiresAt } = minted
    io.out(io.json ? json({ token, id, kid, expiresAt: expiresAt.toISOString() }) : `${token}\n`)
  },
)

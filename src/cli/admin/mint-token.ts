import { durationOf, nonEmpty } from '../arguments.ts'
import { json } from '../print.ts'
import { operatorVerb } from './operator-verb.ts'

/** Mints a token for an org. */
export const command = operatorVerb(
  {
    about: `Prints a new API token, alone on standard output. It is shown this once and kept nowhere.`,
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
  (_args, { org: slug, scopes: listed, ttl: ttlMs, name = null }, io) =>
    async ({ minter, store }) => {
      const scopes = listed.split(',').map((scope) => scope.trim())
      const tokens = await minter()
      const orgId = await store.tokens.orgBySlug(slug)
      const { token, id, kid, expiresAt } = await tokens.mint({ orgId, name, scopes, ttlMs, createdBy: null })
      io.out(io.json ? json({ token, id, kid, expiresAt: expiresAt.toISOString() }) : `${token}\n`)
    },
)

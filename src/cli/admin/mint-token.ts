import { durationOf, nonEmpty } from '../arguments.ts'
import { json } from '../print.ts'
import { operatorVerb } from './operator-verb.ts'

/** Mints a token for an org. */
export const command = operatorVerb(
  {
    about:
      'Creates an API token and prints it, alone on standard output. The token is shown only once and is not stored.',
    json: '{"token","id","kid","expiresAt"}.',
    examples: ['admin mint-token --org acme --scopes pins:read,pins:write,pins:delete --ttl 90d --name ci'],
  },
  (bare) =>
    bare
      .requiredOption('--org <SLUG>', 'slug of the org that gets the token', nonEmpty('--org'))
      .requiredOption(
        '--scopes <LIST>',
        'its scopes, with commas between them: pins:read, pins:write, pins:delete and others',
        nonEmpty('--scopes'),
      )
      .requiredOption('--ttl <DURATION>', 'how long it is valid, such as 90d', durationOf('--ttl'))
      .option('--name <NAME>', 'a name that people see in lists'),
  (_args, { org: slug, scopes: listed, ttl: ttlMs, name = null }, io) =>
    async ({ minter, store }) => {
      const scopes = listed.split(',').map((scope) => scope.trim())
      const tokens = await minter()
      const orgId = await store.tokens.orgBySlug(slug)
      const { token, id, kid, expiresAt } = await tokens.mint({ orgId, name, scopes, ttlMs, createdBy: null })
      io.out(io.json ? json({ token, id, kid, expiresAt: expiresAt.toISOString() }) : `${token}\n`)
    },
)

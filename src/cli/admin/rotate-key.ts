import { confirm } from '../confirm.ts'
import { json } from '../print.ts'
import { operatorVerb } from './operator-verb.ts'

/** Rotates the signing key. */
export const command = operatorVerb(
  {
    about:
      'Creates a new key for signing tokens, and prints its id. Tokens that older keys signed stay valid until they expire.',
    json: '{"kid"}.',
    examples: ['admin rotate-key', 'admin rotate-key --end-tokens --yes'],
  },
  (bare) =>
    bare.option(
      '--end-tokens',
      'also end all existing tokens, on every node within a minute. Asks first. Use it when a signing key or the master key may have leaked',
    ),
  (_args, { endTokens: atOnce = false }, io) =>
    async ({ minter, store }) => {
      const keys = await minter()
      if (atOnce) {
        const living = await store.tokens.livingTokens()
        await confirm(
          `every API token ends for good, on every node within a minute (${living} are valid now)`,
          io,
        )
      }
      const { kid } = await keys.rotateKey({ atOnce })
      io.out(io.json ? json({ kid }) : `${kid}\n`)
    },
)

import { confirm } from '../confirm.ts'
import { json } from '../print.ts'
import { operatorVerb } from './operator-verb.ts'

/** Rotates the signing key. */
export const command = operatorVerb(
  {
    about: `Makes a new key for signing tokens; prints its id. Tokens of older keys stay good until they expire.`,
    json: '{"kid"}.',
    examples: ['admin rotate-key', 'admin rotate-key --end-tokens --yes'],
  },
  (bare) =>
    bare.option(
      '--end-tokens',
      'end them all instead, on every node within a minute, after asking: for when somebody else may know a signing key, or the master key',
    ),
  (_args, { endTokens: atOnce = false }, io) =>
    async ({ minter, store }) => {
      const keys = await minter()
      if (atOnce) {
        const living = await store.tokens.livingTokens()
        await confirm(
          `every API token ends for good, on every node within a minute (${living} in force now)`,
          io,
        )
      }
      const { kid } = await keys.rotateKey({ atOnce })
      io.out(io.json ? json({ kid }) : `${kid}\n`)
    },
)

import { configuredVerb } from '../config-arguments.ts'
import { confirm } from '../confirm.ts'
import { json } from '../print.ts'
import { withMinter } from './with-tokens.ts'

/** Rotates the signing key. */
export const command = configuredVerb(
  {
    about: `Makes a new key for signing tokens; prints its id. Tokens of older keys stay good until they expire.
Works on the database of the node's own config, also while no node runs.`,
    json: '{"kid"}.',
    examples: ['admin rotate-key', 'admin rotate-key --end-tokens --yes'],
  },
  (bare) =>
    bare.option(
      '--end-tokens',
      'end them all instead, on every node within a minute, after asking: for when somebody else may know a signing key, or the master key',
    ),
  async (_args, { endTokens: atOnce = false }, io, config) => {
    const { kid } = await withMinter(config, async (mint, store) => {
      if (atOnce) {
        const living = await store.livingTokens()
        await confirm(
          `every API token ends for good, on every node within a minute (${living} in force now)`,
          io,
        )
      }
      return await mint.rotateKey({ atOnce })
    })
    io.out(io.json ? json({ kid }) : `${kid}\n`)
  },
)

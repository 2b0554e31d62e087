import { confirm } from '../confirm.ts'
import { json } from '../print.ts'
import { WrongUse } from '../verb.ts'
import { operatorVerb } from './operator-verb.ts'

/** Rotates the signing key. */
export const command = operatorVerb(
  {
    about:
      'Creates a new key for signing tokens, and prints its id. Tokens that older keys signed stay valid until they expire. Refused if the ' +
      'master key of this configuration is not the one with which the nodes started.',
    json: '{"kid"}.',
    examples: [
      'admin rotate-key',
      'admin rotate-key --end-tokens --yes',
      'admin rotate-key --new-master-key --end-tokens --yes',
    ],
  },
  (bare) =>
    bare
      .option(
        '--end-tokens',
        'also end all existing tokens, on every node within a minute. Asks first. Use it when a signing key or the master key may have leaked',
      )
      .option(
        '--new-master-key',
        'the master key of this configuration replaces the one with which the nodes started. Needs --end-tokens, because the old signing ' +
          'keys cannot be decrypted with it. The nodes are not ready until they are restarted with it',
      ),
  (_args, { endTokens: atOnce = false, newMasterKey = false }, io) => {
    if (newMasterKey && !atOnce)
      throw new WrongUse('--new-master-key needs --end-tokens: tokens of the old master key cannot be kept')
    return async ({ minter, store }) => {
      const keys = await minter({ newMasterKey })
      if (atOnce) {
        const living = await store.tokens.livingTokens()
        await confirm(
          `every API token ends for good, on every node within a minute (${living} are valid now)`,
          io,
        )
      }
      const { kid } = await keys.rotateKey({ atOnce, newMasterKey })
      io.out(io.json ? json({ kid }) : `${kid}\n`)
    }
  },
)

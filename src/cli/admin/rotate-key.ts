import { configArgumentsOf, noMore } from '../arguments.ts'
import { json } from '../print.ts'
import type { Io } from '../verb.ts'
import { withMinter } from './with-tokens.ts'

export const usage = `
Usage: anchorage admin rotate-key [--json] [--config FILE] [--OPTION VALUE …]

Makes a new key for signing tokens; prints its id. Tokens of older keys stay good until they expire.
Works on the database of the node's own config, also while no node runs.
`

/** Rotates the signing key. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  noMore(positionals)
  const { kid } = await withMinter(config, (mint) => mint.rotateKey())
  io.out(values.json ? json({ kid }) : `${kid}\n`)
}

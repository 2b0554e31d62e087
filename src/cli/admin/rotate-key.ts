import { noMore } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json } from '../print.ts'
import type { Io } from '../verb.ts'
import { withMinter } from './with-tokens.ts'

export const usage = `
Usage: anchorage admin rotate-key [--end-tokens] [--json] [--config FILE] [--OPTION VALUE …]

Makes a new key for signing tokens; prints its id. Tokens of older keys stay good until they expire.

--end-tokens  ends them all instead, on every node within a minute: for when somebody else may know a signing key, or the master key

Works on the database of the node's own config, also while no node runs.
`

const options = { 'end-tokens': { type: 'boolean' }, json: { type: 'boolean' } } as const

/** Rotates the signing key. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, options, io)
  noMore(positionals)
  const atOnce = values['end-tokens'] ?? false
  const { kid } = await withMinter(config, (mint) => mint.rotateKey({ atOnce }))
  io.out(values.json ? json({ kid }) : `${kid}\n`)
}

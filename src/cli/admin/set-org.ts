import { maxReplicas } from '../../core/replicas.ts'
import { configArgumentsOf, noMore, required, wholeNumberOf } from '../arguments.ts'
import { json } from '../print.ts'
import type { Io } from '../verb.ts'
import { withTokenStore } from './with-tokens.ts'

export const usage = `
Usage: anchorage admin set-org SLUG --replicas N|default [--json] [--config FILE] [--OPTION VALUE …]

Changes an org. --replicas is on how many nodes its content stands when a pin does not say: 1 to ${maxReplicas}, or default for
pin.replicas of the config. It holds for pins from now on; pins that are there keep their number.
Works on the database of the node's own config, also while no node runs.
`

const options = { replicas: { type: 'string' }, json: { type: 'boolean' } } as const

/** Changes an org. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, options, io)
  const [given, ...more] = positionals
  noMore(more)
  const slug = required(given, 'SLUG')
  const asked = required(values.replicas, '--replicas N')
  const replicas = asked === 'default' ? null : wholeNumberOf(asked, '--replicas', 1, maxReplicas)
  const id = await withTokenStore(config, (store) => store.setReplicas(slug, replicas))
  const words =
    replicas === null
      ? 'as many copies as is usual here'
      : `${replicas} ${replicas === 1 ? 'copy' : 'copies'}`
  io.out(
    values.json
      ? json({ id, slug, replicas })
      : `new pins of ${slug} get ${words} unless they say otherwise\n`,
  )
}

import { maxReplicas } from '../../core/replicas.ts'
import { configArgumentsOf, noMore, required, wholeNumberOf } from '../arguments.ts'
import { json } from '../print.ts'
import { WrongUse, type Io } from '../verb.ts'
import { withTokenStore } from './with-tokens.ts'

export const usage = `
Usage: anchorage admin create-org SLUG [--replicas N] [--json] [--config FILE] [--OPTION VALUE …]

Makes an org; prints its id. SLUG is how operators name it: letters a to z, digits and hyphens, at most 63.
--replicas is on how many nodes its content stands when a pin does not say; without it, pin.replicas of the config holds.
Works on the database of the node's own config, also while no node runs.
`

const options = { replicas: { type: 'string' }, json: { type: 'boolean' } } as const

/** Makes an org. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, options, io)
  const [given, ...more] = positionals
  noMore(more)
  const slug = required(given, 'SLUG')
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(slug)) {
    throw new WrongUse('a SLUG is at most 63 of a to z, 0 to 9 and -, with no hyphen at either end')
  }
  const replicas =
    values.replicas === undefined ? null : wholeNumberOf(values.replicas, '--replicas', 1, maxReplicas)
  const id = await withTokenStore(config, (store) => store.createOrg(slug, replicas))
  io.out(values.json ? json({ id, slug, replicas }) : `${id}\n`)
}

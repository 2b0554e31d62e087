import { configuredVerb } from '../config-arguments.ts'
import { json } from '../print.ts'
import { withOperator } from './with-operator.ts'

/** Prunes the denylist. */
export const command = configuredVerb(
  {
    about: `Removes from the denylist what stands there for nothing: revoked tokens that have expired since. The leader does it, too.
Works on the database of the node's own config, with HTTP and NATS down.`,
    json: '{"removed"}.',
    examples: ['admin prune-denylist'],
  },
  (bare) => bare,
  async (_args, _options, io, config) => {
    const removed = await withOperator(config, io, ({ use }) => use.pruneDenylist())
    io.out(io.json ? json({ removed }) : `${removed} removed\n`)
  },
)

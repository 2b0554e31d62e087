import { json } from '../print.ts'
import { operatorVerb } from './operator-verb.ts'

/** Prunes the denylist. */
export const command = operatorVerb(
  {
    about: `Removes from the denylist what stands there for nothing: revoked tokens that have expired since. The leader does it, too.`,
    json: '{"removed"}.',
    examples: ['admin prune-denylist'],
  },
  (bare) => bare,
  (_args, _options, io) =>
    async ({ use }) => {
      const removed = await use.pruneDenylist()
      io.out(io.json ? json({ removed }) : `${removed} removed\n`)
    },
)

import { json } from '../print.ts'
import { operatorVerb } from './operator-verb.ts'

/** Prunes the denylist. */
export const command = operatorVerb(
  {
    about: `Deletes revoked tokens that have expired from the denylist. Expired tokens are refused without it. The leader also does
this regularly.`,
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

import type { Entry } from '../verb.ts'
import { bashCompletion, fishCompletion, zshCompletion } from './scripts.ts'
import { configFlags, everyVerb } from './words.ts'

const makers = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }

/** The completion script of a shell, for these verbs. */
export async function scriptFor(
  shell: keyof typeof makers,
  verbs: Readonly<Record<string, Entry>>,
): Promise<string> {
  return makers[shell]({ verbs: await everyVerb(verbs), configFlags: configFlags() })
}

import { configKeys, flagOf } from '../src/app/config-keys.ts'
import { options } from '../src/app/config-options.ts'
import { verbs } from '../src/cli/main.ts'

/** What might hold a secret is not given as a flag. */
const configFlags = configKeys.filter((key) => !options[key].kind.mayHide).map((key) => `--${flagOf(key)}`)

/** A verb as manual pages and completions tell of it. */
export interface Command {
  /** The words after `anchorage`. */
  name: string
  summary: string
  /** What `--help` prints. */
  usage: string
  /** Words that may come next, such as `up` and `status` of `migrate`. */
  actions: string[]
  /** Every `--option` that it takes. */
  options: string[]
}

/** All commands, from the table by which the program itself finds them. */
export async function commands(): Promise<Command[]> {
  return Promise.all(
    Object.entries(verbs).map(async ([name, { summary, load }]) => {
      const usage = (await load()).usage.trim()
      return { name, summary, usage, actions: actionsIn(summary), options: optionsIn(usage) }
    }),
  )
}

/** `on | off: what it does` has two. */
function actionsIn(summary: string): string[] {
  const listed = /^(\w+(?: \| \w+)+):/.exec(summary)?.[1]
  return listed?.split(' | ') ?? []
}

function optionsIn(usage: string): string[] {
  const named = usage.match(/--[a-z][a-z-]*/g) ?? []
  const ofConfig = usage.includes('--OPTION VALUE') ? configFlags : []
  return [...new Set([...named, '--help', ...ofConfig])]
}

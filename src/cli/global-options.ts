import type { CommandUnknownOpts } from '@commander-js/extra-typings'

/** The options that every verb has, before it or after it. */
const globalOptions = [
  ['--json', 'print JSON; an error is {"error":{"reason","details"}}'],
  ['--wide', 'show tables in full, even if wider than the terminal'],
  ['--yes', 'answer every question with yes'],
  ['--no-color', 'print without colours, as with NO_COLOR set'],
  ['--debug', 'print the stack of an error'],
] as const

type Flag = (typeof globalOptions)[number][0]

const flags: ReadonlySet<string> = new Set(globalOptions.map(([flag]) => flag))

export function isGlobal(word: string): word is Flag {
  return flags.has(word)
}

/** The global options in a command line. */
export function globalsIn(words: readonly string[]): ReadonlySet<Flag> {
  const end = words.indexOf('--')
  return new Set(words.slice(0, end < 0 ? words.length : end).filter(isGlobal))
}

/** Declares the global options and `--help`, which help lists below the verb's own options. */
export function addGlobalOptions(command: CommandUnknownOpts): void {
  for (const [flag, help] of globalOptions)
    command.addOption(command.createOption(flag, help).helpGroup('Options of every verb:'))
  command.addHelpOption(
    command.createOption('-h, --help', 'show this help').helpGroup('Options of every verb:'),
  )
}

/** The global options as the overview lists them. */
export function globalOptionLines(): string {
  return globalOptions.map(([flag, help]) => `  ${flag.padEnd(12)}${help}\n`).join('')
}

import type { Argument, CommandUnknownOpts, Option } from '@commander-js/extra-typings'
import { configKeys, flagOf } from '../../config/keys.ts'
import { options as configOptions } from '../../config/options.ts'
import { helpOf } from '../help.ts'
import { declared, takesConfig } from '../declared.ts'
import type { Entry } from '../verb.ts'

/** A word that may appear in a command line, and its purpose. */
export interface Word {
  word: string
  summary: string
}

/** A verb as manual pages and completions describe it. */
export interface KnownVerb {
  /** The words after `anchorage`. */
  name: string
  summary: string
  /** The text of `--help`, for a manual page. */
  help: string
  /** The words that its arguments may be, such as `up` and `status` for `migrate`. */
  choices: string[]
  options: (Word & { takesValue: boolean; choices: readonly string[] })[]
  /** Whether it takes every option of the config as a flag. */
  takesConfig: boolean
}

/** The width that a manual page leaves of 80 columns. */
const manualColumns = 72

/** All verbs, from the declarations that the program itself parses command lines with. */
export async function everyVerb(verbs: Readonly<Record<string, Entry>>): Promise<KnownVerb[]> {
  return Promise.all(
    Object.entries(verbs).map(async ([name, entry]) => {
      const { command } = await declared(name, entry)
      return {
        name,
        summary: entry.summary,
        help: helpOf(command, manualColumns, false).trim(),
        choices: argumentsOf(command).flatMap(({ argChoices = [] }) => argChoices),
        options: [...optionsOf(command).map(optionOf), helpOption],
        takesConfig: takesConfig(command),
      }
    }),
  )
}

/** The flags of the config, without options that may hold a secret. */
export function configFlags(): Word[] {
  return configKeys
    .filter((key) => !configOptions[key].kind.mayHide)
    .map((key) => ({ word: `--${flagOf(key)}`, summary: configOptions[key].help }))
}

const helpOption = { word: '--help', summary: 'show the help', takesValue: false, choices: [] }

function argumentsOf({ registeredArguments }: CommandUnknownOpts): readonly Argument[] {
  return registeredArguments
}

function optionsOf({ options }: CommandUnknownOpts): readonly Option[] {
  return options.filter(({ hidden }) => !hidden)
}

function optionOf({ long = '', description, argChoices = [], ...rest }: Option) {
  return { word: long, summary: description, takesValue: rest.required || rest.optional, choices: argChoices }
}

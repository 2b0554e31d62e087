import type { CommandUnknownOpts, Option } from '@commander-js/extra-typings'
import { didYouMean } from '../config/nearest.ts'
import { listed } from './arguments.ts'
import { WrongUse } from './verb.ts'

/**
 * Parses `argv` by what `command` declares. Throws `WrongUse`. `flags` are parsed elsewhere; they are suggested when an option is
 * mistyped.
 */
export function parse(
  command: CommandUnknownOpts,
  argv: readonly string[],
  flags: readonly string[] = [],
): void {
  refuseUnclear(command, argv, flags)
  command.exitOverride().configureOutput({ writeErr() {}, outputError() {} })
  try {
    command.parse(argv, { from: 'user' })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    throw code.startsWith('commander.') ? new WrongUse(explain(command, code, String(error))) : error
  }
}

/** Reports an unknown option before any other mistake. An option in the place of a value means that the value was forgotten. */
function refuseUnclear(command: CommandUnknownOpts, argv: readonly string[], flags: readonly string[]): void {
  const given = new Set<string>()
  for (let at = 0; at < argv.length && argv[at] !== '--'; at++) {
    const [word = '', next = ''] = argv.slice(at, at + 2)
    if (!word.startsWith('-') || word === '-') continue
    const [name = ''] = word.split('=')
    const option = command.options.find(({ long, short }) => name === long || name === short)
    if (option === undefined || (!takesValue(option) && name !== word))
      throw unknown(command, word, name, flags)
    given.add(name)
    if (!takesValue(option) || name !== word) continue
    if (next.startsWith('-') && next !== '-')
      throw new WrongUse(
        `${name}: expected a value after it, not ${next} (if the value begins with -, write ${name}=${next})`,
      )
    at += 1
  }
  const both = [...given].find((name) => given.has(name.replace('--', '--no-')))
  if (both !== undefined) throw new WrongUse(`expected either ${both} or ${both.replace('--', '--no-')}`)
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional
}

function unknown(
  command: CommandUnknownOpts,
  word: string,
  name: string,
  flags: readonly string[],
): WrongUse {
  const known = [
    ...command.options.flatMap(({ long, hidden }) => (hidden ? [] : (long ?? []))),
    '--help',
    ...flags,
  ]
  return new WrongUse(`unknown option ${word}${didYouMean(name, known)}`)
}

function explain(command: CommandUnknownOpts, code: string, message: string): string {
  const quoted = /'([^']*)'/.exec(message)?.[1] ?? ''
  if (code === 'commander.missingMandatoryOptionValue') return `${quoted.replace(/[<>]/g, '')} is missing`
  if (code === 'commander.optionMissingArgument') return `${quoted.split(' ')[0]}: expected a value after it`
  if (code === 'commander.excessArguments')
    return `unexpected argument ${command.args[command.registeredArguments.length]}`
  if (code !== 'commander.missingArgument') return message.replace(/^.*?error: /, '')
  const { argChoices } = command.registeredArguments.find((each) => each.name() === quoted) ?? {}
  return argChoices === undefined
    ? `${quoted} is missing`
    : `expected ${listed(argChoices)} after ${lastWord(command.name())}`
}

function lastWord(text: string): string {
  return text.slice(text.lastIndexOf(' ') + 1)
}

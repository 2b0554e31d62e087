import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'
import { parseDuration, parseSize } from '../app/config-kinds.ts'
import { didYouMean } from '../app/nearest.ts'
import { WrongUse } from './verb.ts'

/**
 * The values and positionals of `argv`; throws `WrongUse` for what the verb does not know, with the nearest that it does, also among
 * `more`: flags that are taken elsewhere.
 */
export function argumentsOf<O extends ParseArgsOptionsConfig>(
  argv: string[],
  options: O,
  more: readonly string[] = [],
) {
  try {
    return parseArgs({ args: argv, options, allowPositionals: true, strict: true })
  } catch (error) {
    throw new WrongUse(explain(error, argv, [...Object.keys(options), ...more]))
  }
}

/** A required option's value. */
export function required(value: string | undefined, what: string): string {
  if (value === undefined || value === '') throw new WrongUse(`${what} is missing`)
  return value
}

/** Milliseconds of an option that is a duration. */
export function durationOf(value: string, what: string): number {
  try {
    return parseDuration(value)
  } catch (error) {
    throw new WrongUse(`${what}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Bytes of an option that is a size. */
export function sizeOf(value: string, what: string): number {
  try {
    return parseSize(value)
  } catch (error) {
    throw new WrongUse(`${what}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** The number of an option that is a whole one between two bounds. */
export function wholeNumberOf(value: string, what: string, least: number, most: number): number {
  const number = Number(value)
  if (!/^\d{1,15}$/.test(value) || number < least || number > most)
    throw new WrongUse(`${what}: must be a whole number from ${least} to ${most}`)
  return number
}

/** Refuses positionals that the verb has no use for. */
export function noMore(positionals: readonly string[]): void {
  if (positionals.length > 0) throw new WrongUse(`unexpected argument ${positionals[0]}`)
}

function explain(error: unknown, argv: string[], known: string[]): string {
  const message = error instanceof Error ? error.message : String(error)
  const unknown = /^Unknown option '(-[^']*)'/.exec(message)?.[1]
  if (unknown === undefined) return message
  const flags = known.map((name) => `--${name}`)
  const typed = argv.find((arg) => arg === unknown || arg.startsWith(`${unknown}=`)) ?? unknown
  return `unknown option ${typed}${didYouMean(unknown, flags)}`
}

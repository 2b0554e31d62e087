import { Argument } from '@commander-js/extra-typings'
import { parseDuration, parseSize } from '../config/kinds.ts'
import { WrongUse } from './verb.ts'

/** `up or status` */
export function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

/** An argument that is one of a few words. `after` names what precedes it, for the error message. */
export function wordArgument<const Usage extends string, const Word extends string>(
  usage: Usage,
  help: string,
  words: readonly Word[],
  after: string,
) {
  return new Argument(usage, help).choices(words).argParser((text): Word => {
    const word = words.find((known) => known === text)
    if (word === undefined) throw new WrongUse(`expected ${listed(words)} after ${after}, not ${text}`)
    return word
  })
}

/** Collects all values of an option that may be given many times. */
export function many(text: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), text]
}

/** Parses an option that must not be empty. */
export function nonEmpty(what: string): (text: string) => string {
  return (text) => {
    if (text.trim() === '') throw new WrongUse(`${what} is empty`)
    return text
  }
}

/** Parses an option that is a duration, into milliseconds. */
export function durationOf(what: string): (text: string) => number {
  return (text) => parsed(what, () => parseDuration(text))
}

/** Parses an option that is a size, into bytes. */
export function sizeOf(what: string): (text: string) => number {
  return (text) => parsed(what, () => parseSize(text))
}

/** Parses an option that is a whole number between two bounds. */
export function wholeNumberOf(what: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (!/^\d{1,15}$/.test(text) || number < least || number > most)
      throw new WrongUse(`${what}: expected a whole number from ${least} to ${most}, not ${text}`)
    return number
  }
}

function parsed(what: string, parse: () => number): number {
  try {
    return parse()
  } catch (error) {
    throw new WrongUse(`${what}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

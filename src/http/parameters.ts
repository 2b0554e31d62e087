/** Reads the parameters of a query, as far as all routes do it alike. */
import { AnchorageError } from '../core/errors.ts'
import { quoted } from './invalid.ts'

/** The decoded pairs of a query, in their order. Throws `invalid` if the percent-encoding is broken. */
export function* parameters(url: string): Generator<[string, string]> {
  const start = url.indexOf('?')
  if (start === -1) return
  for (const part of url.slice(start + 1).split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const name = decoded(equals === -1 ? part : part.slice(0, equals))
    yield [name, equals === -1 ? '' : decoded(part.slice(equals + 1), name)]
  }
}

function decoded(text: string, name?: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch (cause) {
    const what = name === undefined ? 'the name of a query parameter' : quoted(name)
    throw new AnchorageError('invalid', `${what}: its percent-encoding is not valid UTF-8`, { cause })
  }
}

/**
 * Throws `invalid` when `name`, which the route does not know, is a misspelling of one of `spellings`: `status[0]`, `status.in`, `Status`,
 * `statuses`. Ignoring it would list more than was asked for, and a script may delete all that it lists.
 */
export function refuseMisspelt(name: string, spellings: ReadonlyMap<string, string>): void {
  const [start = ''] = name
    .trim()
    .toLowerCase()
    .split(/[[.\s]/, 1)
  for (const [known, spelling] of spellings) {
    const singular = known.toLowerCase()
    if ([singular, `${singular}s`, `${singular}es`].includes(start))
      throw new AnchorageError('invalid', `${quoted(name)}: write it as ${spelling}`)
  }
}

/**
 * Not `Number()`, which accepts `1e1`, `0x10`, ` 5` and the empty text. A text that is no whole number stays text, for the schema to
 * refuse.
 */
export function wholeNumber(text: string): number | string {
  return /^-?\d{1,15}$/.test(text) ? Number(text) : text
}

/** The value of `limit`. An empty one counts as absent: generated clients send it when no limit was given. */
export function limitOf(text: string): number | string | undefined {
  return text === '' ? undefined : wholeNumber(text)
}

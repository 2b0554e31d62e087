import { AnchorageError } from '../../core/errors.ts'
import { quoted } from '../invalid.ts'

const metaInBrackets = /^meta\[(.*)\]$/s
const lists = new Set(['cid', 'status'])
const texts = new Set(['name', 'match', 'before', 'after'])

/**
 * Takes the query of `GET /pins` apart as far as the wire goes: what comes out is what `ListQuery` describes, not yet validated.
 * Nothing is repaired: a parameter given twice, bad percent-encoding and a limit that is no plain number are `invalid`.
 * Parameters that the API does not have are ignored.
 */
export function readQuery(url: string): Record<string, unknown> {
  const query: Record<string, unknown> = {}
  const pairs: [string, string][] = []
  for (const [name, value] of parameters(url)) {
    const key = metaInBrackets.exec(name)?.[1]
    if (key !== undefined) {
      pairs.push([key, value])
      continue
    }
    if (Object.hasOwn(query, name))
      throw invalid(name, 'give it once' + (lists.has(name) ? ', separated by commas' : ''))
    if (lists.has(name)) query[name] = value.split(',')
    else if (texts.has(name)) query[name] = value
    else if (name === 'limit') query[name] = wholeNumber(value)
    else if (name === 'meta') query[name] = value.startsWith('map[') ? metaOfGo(value) : metaOfJson(value)
  }
  return pairs.length === 0 ? query : { ...query, meta: metaOfPairs(pairs, 'meta' in query) }
}

/** The pairs of a query, decoded, in their order; `invalid` for percent-encoding that is none. */
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
    throw new AnchorageError('invalid', `${what}: its percent-encoding is not that of UTF-8 text`, { cause })
  }
}

/** Not `Number()`, which takes `1e1`, `0x10`, ` 5` and nothing at all. What is no number stays text, for the schema to refuse. */
export function wholeNumber(text: string): number | string {
  return /^-?\d{1,15}$/.test(text) ? Number(text) : text
}

function metaOfJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AnchorageError('invalid', 'meta: must be a JSON object of strings, such as {"app":"x"}', {
      cause,
    })
  }
}

/**
 * `map[app:x user:y]`: what Kubo's Go client sends for a map. A word without a colon goes on with the value before it,
 * since a value may hold blanks.
 */
function metaOfGo(text: string): Record<string, string> {
  const entry = /^map\[(.*)\]$/s.exec(text)
  if (entry === null) throw invalid('meta', 'must be a JSON object of strings, such as {"app":"x"}')
  const pairs: [string, string][] = []
  for (const word of (entry[1] ?? '').split(' ')) {
    const colon = word.indexOf(':')
    const last = pairs.at(-1)
    if (colon !== -1) pairs.push([word.slice(0, colon), word.slice(colon + 1)])
    else if (last !== undefined) last[1] += ` ${word}`
    else if (entry[1] !== '') throw invalid('meta', 'a pair in map[…] must look like key:value')
  }
  return Object.fromEntries(pairs)
}

/** `meta[app]=x&meta[user]=y`: what the JavaScript client sends. */
function metaOfPairs(pairs: [string, string][], alsoWhole: boolean): Record<string, string> {
  if (alsoWhole) throw invalid('meta', 'give it either as JSON or as meta[key]=value, not both')
  const meta = Object.fromEntries(pairs)
  if (Object.keys(meta).length < pairs.length) throw invalid('meta', 'give each key once')
  return meta
}

function invalid(field: string, what: string): AnchorageError {
  return new AnchorageError('invalid', `${field}: ${what}`)
}

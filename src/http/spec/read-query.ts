import { AnchorageError } from '../../core/errors.ts'
import { limitOf, parameters, refuseMisspelt } from '../parameters.ts'

const metaInBrackets = /^meta\[(.*)\]$/s
const listInBrackets = /^(cid|status)\[\]$/

/** The parameters of `GET /pins`, and how to write each. */
const spellings = new Map([
  ['cid', 'cid=CID,CID'],
  ['status', 'status=STATUS,STATUS'],
  ['meta', 'meta={"KEY":"VALUE"} or meta[KEY]=VALUE'],
  ...['name', 'match', 'before', 'after', 'limit'].map((name): [string, string] => [name, `${name}=VALUE`]),
])

/**
 * Parses the query of `GET /pins` into the shape of `ListQuery`, not yet validated. A spelling with only one meaning is accepted: a list
 * may be repeated, its name may end in `[]`, and an empty limit counts as absent. Everything else is `invalid`: another parameter given
 * twice, bad percent-encoding, a limit that is not a plain number, a misspelt parameter of ours. Parameters that the API does not have are
 * ignored.
 */
export function readQuery(url: string): Record<string, unknown> {
  const query: Record<string, unknown> = {}
  const lists: Record<'cid' | 'status', string[]> = { cid: [], status: [] }
  const pairs: [string, string][] = []
  for (const [given, value] of parameters(url)) {
    const key = metaInBrackets.exec(given)?.[1]
    if (key !== undefined) {
      pairs.push([key, value])
      continue
    }
    const name = listInBrackets.exec(given)?.[1] ?? given
    if (name === 'cid' || name === 'status') {
      for (const each of value.split(',')) lists[name].push(each)
      query[name] = lists[name]
      continue
    }
    if (!spellings.has(name)) {
      refuseMisspelt(name, spellings)
      continue
    }
    if (Object.hasOwn(query, name)) throw invalid(name, 'give it once')
    query[name] = read(name, value)
  }
  return pairs.length === 0 ? query : { ...query, meta: metaOfPairs(pairs, 'meta' in query) }
}

function read(name: string, value: string): unknown {
  if (name === 'limit') return limitOf(value)
  if (name === 'meta') return value.startsWith('map[') ? metaOfGo(value) : metaOfJson(value)
  return value
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
 * `map[app:x user:y]`: what Kubo's Go client sends for a map. A word without a colon continues the value before it, since a value may
 * contain blanks.
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
    else if (entry[1] !== '') throw invalid('meta', 'each pair in map[…] must have the form key:value')
  }
  return Object.fromEntries(pairs)
}

/** `meta[app]=x&meta[user]=y`: what the JavaScript client sends. */
function metaOfPairs(pairs: [string, string][], alsoWhole: boolean): Record<string, string> {
  if (alsoWhole) throw invalid('meta', 'write it either as JSON or as meta[key]=value, not both')
  const meta = Object.fromEntries(pairs)
  if (Object.keys(meta).length < pairs.length) throw invalid('meta', 'give each key once')
  return meta
}

function invalid(field: string, what: string): AnchorageError {
  return new AnchorageError('invalid', `${field}: ${what}`)
}

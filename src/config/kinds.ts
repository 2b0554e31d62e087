import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { Secret } from './secret.ts'

/** How the text of an option becomes its value. `parse` throws an Error whose message says what was expected. */
export interface Kind<T> {
  /** For help and docs: `duration`, `size`, … */
  name: string
  /** Its values are secret or may contain a secret, so they must not be shown. */
  mayHide?: true
  parse(text: string): T
}

/** An address to listen on; port 0 takes any free one. */
export interface ListenAddress {
  host: string
  port: number
}

export const text: Kind<string> = { name: 'text', parse: nonEmpty }

/** The name of a place in at most 64 characters, so that it fits in heartbeats and tables. */
export const zone: Kind<string> = {
  name: 'text',
  parse(given) {
    if (!/^[A-Za-z0-9](?:[\w.:/-]{0,62}[A-Za-z0-9])?$/.test(given))
      throw new Error(
        'expected a name such as eu-west-1a: at most 64 letters, digits, and -_.:/ between them',
      )
    return given
  },
}

export const path: Kind<string> = { name: 'path', parse: (given) => resolve(nonEmpty(given)) }

export const secret: Kind<Secret> = {
  name: 'secret',
  mayHide: true,
  parse: (given) => new Secret(nonEmpty(given)),
}

export const flag: Kind<boolean> = {
  name: 'true or false',
  parse(given) {
    if (given === 'true') return true
    if (given === 'false') return false
    throw new Error('expected true or false')
  },
}

export const list: Kind<string[]> = {
  name: 'list, separated by commas',
  parse: (given) =>
    given
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
}

/** Networks, each as CIDR. A /0 network is refused: it contains every address, and clients in these networks are trusted. */
export const networks: Kind<string[]> = {
  name: 'CIDRs, separated by commas',
  parse: (given) => list.parse(given).map(network),
}

/** Milliseconds. */
export const duration: Kind<number> = { name: 'duration', parse: parseDuration }

/** Milliseconds, at most `max`. Messages write the maximum as `shown`. */
export function durationUpTo(max: number, shown: string): Kind<number> {
  return {
    name: 'duration',
    parse(given) {
      const value = parseDuration(given)
      if (value > max) throw new Error(`expected at most ${shown}`)
      return value
    },
  }
}

/** Bytes. */
export const size: Kind<number> = { name: 'size', parse: parseSize }

export const address: Kind<ListenAddress> = {
  name: 'host:port',
  parse(given) {
    const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/i.exec(given)
    const host = match?.[1] ?? match?.[2]
    const port = Number(match?.[3])
    if (host === undefined || port > 65535)
      throw new Error('expected host:port, such as 127.0.0.1:8080 or [::1]:8080')
    return { host, port }
  },
}

/** Bytes, at most `max`. Messages write the maximum as `shown`. */
export function sizeUpTo(max: number, shown: string): Kind<number> {
  return {
    name: 'size',
    parse(given) {
      const value = parseSize(given)
      if (value > max) throw new Error(`expected at most ${shown}`)
      return value
    },
  }
}

/** A whole number from `min` to `max`. */
export function integer(min: number, max: number): Kind<number> {
  return {
    name: 'number',
    parse(given) {
      const value = Number(given)
      if (!/^\d+$/.test(given) || value < min || value > max) {
        throw new Error(`expected a whole number from ${min} to ${max}`)
      }
      return value
    },
  }
}

export function oneOf<T extends string>(...values: readonly T[]): Kind<T> {
  return {
    name: values.join(', '),
    parse(given) {
      const value = values.find((candidate) => candidate === given)
      if (value === undefined) throw new Error(`expected one of ${values.join(', ')}`)
      return value
    },
  }
}

/** A URL with one of `protocols` (`http:`, …), without a trailing slash. */
export function url(...protocols: string[]): Kind<string> {
  return { name: 'URL', parse: (given) => parseUrl(given, protocols).href.replace(/\/$/, '') }
}

/** A URL whose password, before the host or in the query, must not be shown. */
export function secretUrl(...protocols: string[]): Kind<Secret> {
  return {
    name: 'URL',
    mayHide: true,
    parse(given) {
      const parsed = parseUrl(given, protocols)
      const inQuery = parsed.searchParams.has('password')
      if (parsed.password === '' && !inQuery) return new Secret(given, given)
      if (parsed.password !== '') parsed.password = '***'
      if (inQuery) parsed.searchParams.set('password', '***')
      return new Secret(given, parsed.href)
    },
  }
}

/** Milliseconds from `500ms`, `90s`, `30m`, `2h` or `90d`. */
export function parseDuration(given: string): number {
  const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
  const value = withUnit(given, units)
  if (value === null) throw new Error('expected a duration such as 500ms, 90s, 30m, 2h or 7d')
  return value
}

/** Bytes from `4096`, `64KiB`, `10GiB` or `1TB`. */
export function parseSize(given: string): number {
  const units: Record<string, number> = { '': 1, B: 1 }
  for (const [power, letter] of ['K', 'M', 'G', 'T', 'P'].entries()) {
    units[`${letter}iB`] = 1024 ** (power + 1)
    units[`${letter}B`] = 1000 ** (power + 1)
  }
  const value = withUnit(given, units)
  if (value === null) throw new Error('expected a size such as 4096, 64KiB or 10GiB')
  return value
}

function withUnit(given: string, units: Record<string, number>): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(given)
  const unit = Object.hasOwn(units, match?.[2] ?? '?') ? units[match?.[2] ?? '?'] : undefined
  if (unit === undefined) return null
  const value = Math.round(Number(match?.[1]) * unit)
  return Number.isSafeInteger(value) ? value : null
}

function parseUrl(given: string, protocols: string[]): URL {
  const parsed = URL.canParse(given) ? new URL(given) : null
  if (parsed === null || !protocols.includes(parsed.protocol)) {
    throw new Error(
      `expected a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
    )
  }
  return parsed
}

function network(given: string): string {
  const [address = '', bits = ''] = given.split('/')
  const widest = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0
  const isCidr = given === `${address}/${bits}` && /^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= widest
  // An IPv4-mapped IPv6 address is compared as IPv4, so a network written in that form would never match.
  if (!isCidr || /[%]|^::ffff:/i.test(given)) {
    throw new Error(`expected networks such as 10.1.0.0/16, 192.0.2.7/32 or 2001:db8::/64, not ${given}`)
  }
  return given
}

function nonEmpty(given: string): string {
  if (given.trim() === '') throw new Error('expected some text')
  return given
}

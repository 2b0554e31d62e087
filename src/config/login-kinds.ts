import { groupRules } from '../core/group-roles.ts'
import { list, type Kind } from './kinds.ts'

const loopback = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

/** An issuer exactly as the provider writes it, because the two are compared byte for byte. Plain HTTP is accepted on loopback only. */
export const issuer: Kind<string> = {
  name: 'URL',
  parse(given) {
    const url = safeUrl(given)
    if (url === null || url.search !== '' || url.hash !== '' || url.username !== '')
      throw new Error('expected the https:// URL of an OpenID Connect issuer')
    return given
  },
}

/** Scheme, host and port. Plain HTTP is accepted on loopback only, because elsewhere browsers do not keep our cookies without TLS. */
export const origin: Kind<string> = {
  name: 'origin',
  parse(given) {
    const url = safeUrl(given)
    if (url === null || url.href !== `${url.origin}/`)
      throw new Error('expected an origin such as https://pins.example.com, without a path')
    return url.origin
  },
}

/** `GROUP=SLUG:ROLE` and `GROUP=operator`. */
export const groupGrants: Kind<string[]> = {
  name: 'list, separated by commas',
  parse(given) {
    const lines = list.parse(given)
    groupRules('', lines)
    return lines
  },
}

function safeUrl(given: string): URL | null {
  const url = URL.canParse(given) ? new URL(given) : null
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && loopback.test(url.hostname))
  return isSafe ? url : null
}

import type { Identity } from '../core/login-ports.ts'

/** The names of the claims that are looked at; `a.b` also finds `b` in an object `a`. */
export interface ClaimNames {
  name: string
  email: string
  groups: string
}

type Claims = Readonly<Record<string, unknown>>

/** Which of `names` the claims say nothing of. */
export function missingClaims(claims: Claims, names: ClaimNames): string[] {
  return Object.values(names).filter((name) => valueOf(claims, name) === undefined)
}

/** What is shown of a person, and its groups; a claim of another shape than expected is as one that is not there. */
export function personIn(claims: Claims, names: ClaimNames): Pick<Identity, 'name' | 'email' | 'groups'> {
  return {
    name: textOf(valueOf(claims, names.name)),
    email: textOf(valueOf(claims, names.email)),
    groups: [valueOf(claims, names.groups)].flat().filter((group) => typeof group === 'string'),
  }
}

function valueOf(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  let value: unknown = claims
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    value = Reflect.get(value, part)
  }
  return value
}

/** For people to read: without control characters, and not without end. */
function textOf(value: unknown): string | null {
  if (typeof value !== 'string') return null
  const text = value.replaceAll(/\p{Cc}+/gu, ' ').trim()
  return text === '' ? null : text.slice(0, 255)
}

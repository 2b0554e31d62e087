import type { Identity } from '../core/login.ts'

/** The names of the claims to read; `a.b` also finds `b` in an object `a`. */
export interface ClaimNames {
  name: string
  email: string
  groups: string
}

type Claims = Readonly<Record<string, unknown>>

/** Returns those of `names` that `claims` does not contain. */
export function missingClaims(claims: Claims, names: ClaimNames): string[] {
  return Object.values(names).filter((name) => valueOf(claims, name) === undefined)
}

/** The person's name, email and groups. A claim of an unexpected type is treated as missing. */
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

/** Text for people: control characters become blanks, and it is cut after 255 characters. */
function textOf(value: unknown): string | null {
  if (typeof value !== 'string') return null
  const text = value.replaceAll(/\p{Cc}+/gu, ' ').trim()
  return text === '' ? null : text.slice(0, 255)
}

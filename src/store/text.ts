/**
 * Postgres' text cannot hold U+0000, and the spec's strings can. The store writes U+0000 as U+0001 U+0010 and U+0001 as
 * U+0001 U+0011: one to one, so what was stored comes back as it was sent, and equal strings stay equal.
 */
export function toText(value: string): string {
  return value.replaceAll('\u0001', '\u0001\u0011').replaceAll('\u0000', '\u0001\u0010')
}

export function fromText(value: string): string {
  return value.replaceAll('\u0001\u0010', '\u0000').replaceAll('\u0001\u0011', '\u0001')
}

/** `map` applied to every key and value. */
export function mapMeta(meta: Record<string, string>, map: (text: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(meta).map(([key, value]) => [map(key), map(value)]))
}

/** The form in which `iexact` and `ipartial` compare names: close to Unicode's full case folding ('ß' = 'SS', 'ς' = 'Σ'). */
export function fold(value: string): string {
  return value.toUpperCase().toLowerCase().replaceAll('ς', 'σ')
}

/** One line of JSON per value. */
export function json(value: unknown): string {
  return `${JSON.stringify(value)}\n`
}

/** `1.5 MiB` */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  const power = count < 1024 ? 0 : Math.min(Math.floor(Math.log2(count) / 10), units.length - 1)
  const value = count / 1024 ** power
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`
}

/** `2h 5m`, `41s`, `350ms`: the two largest units. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`
  const parts = [
    [Math.floor(ms / 86_400_000), 'd'],
    [Math.floor(ms / 3_600_000) % 24, 'h'],
    [Math.floor(ms / 60_000) % 60, 'm'],
    [Math.floor(ms / 1000) % 60, 's'],
  ] as const
  const first = parts.findIndex(([value]) => value > 0)
  const shown = parts.slice(first, first + 2).filter(([value]) => value > 0)
  return shown.map(([value, unit]) => `${value}${unit}`).join(' ')
}

/** `text` with control characters escaped, so that a terminal does not obey them: names of pins come from strangers. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** The words that are not empty, with commas between them, and the reason for which an operation waits. */
export function progressWords(words: readonly string[], waits: string | null): string {
  const said = words.filter((word) => word !== '').join(', ')
  return waits === null ? said : `${said}; waits: ${printable(waits)}`
}

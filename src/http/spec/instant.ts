const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d+)?(?:[Zz]|([+\- ])(\d\d):?(\d\d))$/

/**
 * Milliseconds since 1970 of an RFC 3339 date-time, including fractions of a millisecond; null if `text` is not one. Offsets may also be
 * written in two other ways that clients use: `+0200`, and with a blank where a `+` was not escaped in a query. A leap second is the first
 * instant of the next minute.
 */
export function instantMs(text: string): number | null {
  const parts = rfc3339.exec(text)
  if (parts === null) return null
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1, 7).map(Number)
  const offsetHours = Number(parts[9] ?? 0)
  const offsetMinutes = Number(parts[10] ?? 0)
  if (hour > 23 || minute > 59 || second > 60 || offsetHours > 23 || offsetMinutes > 59) return null

  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null
  date.setUTCHours(hour, minute, 0)
  const offsetMs = (offsetHours * 60 + offsetMinutes) * 60_000
  const minuteMs = date.getTime() + (parts[8] === '-' ? offsetMs : -offsetMs)
  if (second === 60 && !endsUtcDay(minuteMs)) return null
  return minuteMs + (second + Number(parts[7] ?? 0)) * 1000
}

function endsUtcDay(minuteMs: number): boolean {
  const minute = new Date(minuteMs)
  return minute.getUTCHours() === 23 && minute.getUTCMinutes() === 59
}

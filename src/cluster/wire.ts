/** The fields of a JSON object; none when `text` spells something else. Throws when it spells nothing. */
export function fieldsOf(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text)
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

/** The fields of the JSON object in `text`; none when it is another JSON value. Throws when it is not JSON. */
export function fieldsOf(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text)
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

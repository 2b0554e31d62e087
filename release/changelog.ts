const unreleased = '## Unreleased'

/** The section of CHANGELOG.md (its `text`) for `version`, without the heading; null when there is no such section. */
export function notesOf(text: string, version: string): string | null {
  const lines = text.split('\n')
  const start = lines.findIndex((line) => line === `## ${version}` || line.startsWith(`## ${version} `))
  if (start < 0) return null
  const end = lines.findIndex((line, index) => index > start && line.startsWith('## '))
  return lines
    .slice(start + 1, end < 0 ? undefined : end)
    .join('\n')
    .trim()
}

/** The changelog with its unreleased section renamed to `version`, of `date` (YYYY-MM-DD). Throws when there is nothing to release. */
export function cut(text: string, version: string, date: string): string {
  if (notesOf(text, version) !== null) throw new Error(`CHANGELOG.md already has a section ${version}`)
  if (!notesOf(text, 'Unreleased'))
    throw new Error('CHANGELOG.md has nothing under "Unreleased", so there is nothing to release')
  return text.replace(unreleased, `${unreleased}\n\n## ${version} (${date})`)
}

/**
 * The shapes of secrets in any text. Each matches the secret alone, or behind a group; what tells it from other text stays.
 *
 * Each is linear in the text: every stretch that a shape may run through begins at one place only (after a quote that no other stretch
 * runs over, at the start of a word, after the first colon behind `://`), so no character is run through more than a few times.
 */
const shapes: readonly RegExp[] = [
  // "authorization":"…", "client_secret":"…" and the like, in a line of JSON; to the end of a text that was cut
  /(?<=(?:authorization|cookie|password|token|secret|master_?key)"\s*:\s*")[^"\\]*(?:\\[^][^"\\]*)*/gi,
  /(?=[\w.~+/=-]{8})(?<=(?:Bearer|Basic)\s+)[\w.~+/=-]+/gi,
  // a JSON Web Token. The ends of the word and of the next one are looked for once, before the token's start is.
  /(?<![\w-])(?=[\w-]*\.[\w-]+\.)([\w-]*?)eyJ[\w-]{4}[\w.-]*/g,
  // what a login, or a URL of Postgres, brings along in an address; a backslash that escapes a quote belongs to the text around it
  /(?<=[?&](?:code|state|id_token_hint|logout_token|password)=)(?=[^&\s"#])[^&\s"#\\]*(?:\\(?:\\|(?!["\\]))[^&\s"#\\]*)*/gi,
  // the password of a URL
  /(?<=:\/\/[^\s/:@"]*:)[^\s/"\\]*(?:\\(?:\\|(?!["\\]))[^\s/"\\]*)*(?=@)/g,
]

/** `text` without passwords, tokens and keys: what logs and error messages go through on their way out. */
export function redact(text: string): string {
  // Every shape looks at the text as it came, so that none hides a part of what another finds.
  const found = shapes.flatMap((shape) =>
    Array.from(text.matchAll(shape), ({ 0: all, 1: before = '', index }): [number, number] => [
      index + before.length,
      index + all.length,
    ]),
  )
  let clean = ''
  let end = -1
  for (const [from, to] of found.sort(([one], [other]) => one - other)) {
    if (from > end) clean += `${text.slice(Math.max(end, 0), from)}***`
    end = Math.max(end, to)
  }
  return clean + text.slice(Math.max(end, 0))
}

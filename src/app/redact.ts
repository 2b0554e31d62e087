/**
 * Patterns of secrets in any text. A match is either the secret alone, or group 1, which stays, followed by the secret. Text that only
 * identifies a secret stays.
 *
 * Each pattern is linear in the text: a run of characters that it may match begins at one place only (after a quote that no other run
 * crosses, at the start of a word, after the first colon behind `://`), so no character is scanned more than a few times.
 */
const shapes: readonly RegExp[] = [
  // "authorization":"…", "client_secret":"…" and the like, in a line of JSON; in a text that was cut off, up to its end
  /(?<=(?:authorization|cookie|password|token|secret|master_?key)"\s*:\s*")[^"\\]*(?:\\[^][^"\\]*)*/gi,
  /(?=[\w.~+/=-]{8})(?<=(?:Bearer|Basic)\s+)[\w.~+/=-]+/gi,
  // a JSON Web Token. The ends of this word and of the next one are looked up once, before the token's start is searched for.
  /(?<![\w-])(?=[\w-]*\.[\w-]+\.)([\w-]*?)eyJ[\w-]{4}[\w.-]*/g,
  // secret parameters of a login's address or of a Postgres URL; a backslash that escapes a quote belongs to the surrounding text
  /(?<=[?&](?:code|state|id_token_hint|logout_token|password)=)(?=[^&\s"#])[^&\s"#\\]*(?:\\(?:\\|(?!["\\]))[^&\s"#\\]*)*/gi,
  // the password of a URL
  /(?<=:\/\/[^\s/:@"]*:)[^\s/"\\]*(?:\\(?:\\|(?!["\\]))[^\s/"\\]*)*(?=@)/g,
]

/** `text` without passwords, tokens and keys. Logs and error messages pass through this before they leave the process. */
export function redact(text: string): string {
  // Every pattern searches the original text, so that no replacement hides a part of what another pattern finds.
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

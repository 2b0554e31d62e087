/** The shapes of secrets in any text: each is replaced but for the part that tells what it was. Linear in the text. */
const shapes: [RegExp, string][] = [
  // "authorization":"…", "masterKey":"…" and the like, in a line of JSON
  [
    /("(?:authorization|cookie|set-cookie|password|token|id_?token|logout_token|client_?secret|secret|masterKey|master_key)"\s*:\s*)"(?:[^"\\]|\\.)*"/gi,
    '$1"***"',
  ],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi, '$1 ***'],
  // a JSON Web Token, wherever it stands
  [/\beyJ[\w-]{4,}\.[\w-]+\.[\w-]*/g, '***'],
  // what a login brings along in an address
  [/([?&](?:code|state|id_token_hint|logout_token)=)[^&\s"#]+/gi, '$1***'],
  // the password of a URL
  [/(:\/\/[^\s/:@"]*:)[^\s/@"]+@/g, '$1***@'],
]

/** `text` without passwords, tokens and keys: what logs and error messages go through on their way out. */
export function redact(text: string): string {
  let clean = text
  for (const [shape, replacement] of shapes) clean = clean.replace(shape, replacement)
  return clean
}

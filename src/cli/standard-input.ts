import { WrongUse } from './verb.ts'

/** No secret is as long as this. */
const maxBytes = 65_536

/** The trimmed content of standard input. Throws `WrongUse` when it is empty or too long for a secret. */
export async function secretFrom(input: AsyncIterable<Buffer | string>): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of input) {
    const bytes = Buffer.from(part)
    size += bytes.length
    if (size > maxBytes) throw new WrongUse('standard input is too long for a token')
    parts.push(bytes)
  }
  const text = Buffer.concat(parts).toString('utf8').trim()
  if (text === '') throw new WrongUse('standard input is empty')
  return text
}

import { Agent, request, type Dispatcher } from 'undici'

/** The answer to a request. */
export interface Said {
  status: number
  text: string
  headers: Record<string, string>
}

const agent = new Agent({ connections: 8 })

/** Sends headers that `fetch` would not: any `sec-fetch-site`, any cookie. */
export async function ask(
  url: string,
  method: string,
  headers: Record<string, string>,
  body?: unknown,
): Promise<Said> {
  const given: Dispatcher.RequestOptions['body'] = body === undefined ? null : JSON.stringify(body)
  const answer = await request(url, {
    dispatcher: agent,
    method: method as Dispatcher.HttpMethod,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: given,
  })
  const text = await answer.body.text()
  const told = Object.entries(answer.headers).map(([name, value]) => [name, String(value)])
  return { status: answer.statusCode, text, headers: Object.fromEntries(told) }
}

/** Headers that differ between any two answers, and reveal nothing. */
const incidental = /^(?:date|x-request-id|(?:x-)?ratelimit-.*|connection|keep-alive)$/

/** Everything that could distinguish one answer from another, with the `names` of the object asked about taken out. */
export function tellTale({ status, text, headers }: Said, names: readonly string[]): string {
  const kept = Object.entries(headers)
    .filter(([name]) => !incidental.test(name) && name !== 'content-length')
    .map(([name, value]) => `${name}: ${value}`)
    .toSorted((a, b) => a.localeCompare(b))
  const plain = names.reduce((rest, name) => rest.replaceAll(name, '…'), text)
  return JSON.stringify([status, plain, kept])
}

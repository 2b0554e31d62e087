/** A browser's use of HTTP: it keeps cookies by host, follows redirects when told to, sends forms, and says which page asks. */
export class TestBrowser {
  readonly #jars = new Map<string, Map<string, string>>()

  /** One request, its redirect not followed. */
  async ask(url: string, init: RequestInit = {}): Promise<Response> {
    const jar = this.cookies(url)
    const headers = new Headers(init.headers)
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    if (cookie !== '' && !headers.has('cookie')) headers.set('cookie', cookie)
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) keep(jar, line)
    return response
  }

  /** A request from a page of `url`'s own origin. */
  async fetch(url: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    headers.set('sec-fetch-site', 'same-origin')
    return await this.ask(url, { ...init, headers })
  }

  /** Goes to `url` and follows all redirects, or stops at the first address that begins with `until`, which is not requested. */
  async go(url: string, until?: string): Promise<{ url: string; response: Response | null }> {
    for (let at = url, hops = 0; hops < 20; hops += 1) {
      if (until !== undefined && at.startsWith(until)) return { url: at, response: null }
      const response = await this.ask(at)
      const location = response.headers.get('location')
      if (location === null) return { url: at, response }
      await response.body?.cancel()
      at = new URL(location, at).href
    }
    throw new Error(`${url} leads around in circles`)
  }

  /** Sends a form of a page at `url`, and continues like `go`. */
  async submit(url: string, fields: Record<string, string>, until?: string) {
    const response = await this.ask(url, { method: 'POST', body: new URLSearchParams(fields) })
    const location = response.headers.get('location')
    return location === null ? { url, response } : await this.go(new URL(location, url).href, until)
  }

  /** The cookies of the host and port of `url`, to be read and changed. */
  cookies(url: string): Map<string, string> {
    const { host } = new URL(url)
    const jar = this.#jars.get(host) ?? new Map<string, string>()
    this.#jars.set(host, jar)
    return jar
  }

  /**
   * Logs in at dev's identity provider. With `until`, stops at the first address that begins with it, such as the callback's. `node` is the
   * base of a node.
   */
  async logIn(node: string, user: string, password: string, until?: string) {
    const form = await this.go(`${node}/v1/auth/login?return_to=/v1/auth/session`, until)
    if (form.response === null || !form.url.includes('/interaction/')) return form
    await form.response.body?.cancel()
    return await this.submit(form.url, { user, password }, until)
  }
}

function keep(jar: Map<string, string>, line: string): void {
  const [pair = '', ...attributes] = line.split(';').map((part) => part.trim())
  const name = pair.slice(0, pair.indexOf('='))
  const isOver = attributes.some((attribute) => /^(max-age=0|expires=.*1970.*)$/i.test(attribute))
  if (isOver) jar.delete(name)
  else jar.set(name, pair.slice(name.length + 1))
}

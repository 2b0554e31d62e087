import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { textReader, type PackageReader } from './package-readers.ts'

/** The state of a Gitea after a release. */
export interface State {
  release: { tag: string; notes: string; draft: boolean; prerelease: boolean } | null
  /** The files of the release: name → SHA-256. */
  assets: Record<string, string>
  /** The files of the registries: `TYPE NAME VERSION ARCH WHERE` → SHA-256; in the generic one `generic NAME VERSION FILE` → SHA-256. */
  packages: Record<string, string>
}

const token = 'a-token-of-letters'

/**
 * The part of Gitea that a release uses, on loopback, and strict: a method, path, body or token that Gitea's API does not accept is
 * refused and recorded in `refused`. `read` reads the name of a package from its content, as Gitea does. `breakAt(n)` loses the n-th
 * write from now: either the request before it takes effect, or the answer after it.
 */
export async function giteaServer(read: PackageReader = textReader) {
  const [owner, repository] = ['acme', 'anchorage']
  const state: State = { release: null, assets: {}, packages: {} }
  const bodies = new Map<string, Buffer>()
  const refused: string[] = []
  const writes: string[] = []
  let broken: { at: number; how: 'request lost' | 'answer lost' } | null = null

  const server = createServer((request, response) => {
    serve(request, response).catch((error) => {
      refused.push(`${request.method} ${request.url}: ${error.message}`)
      response.writeHead(error.status ?? 500).end(error.message)
    })
  })

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const asked = `${request.method} ${request.url}`
    const write = request.method !== 'GET'
    if (write) writes.push(asked)
    const lose = write && broken !== null && --broken.at === 0 ? broken.how : null
    if (lose === 'request lost') return void request.socket.destroy()
    if (request.headers.authorization !== `token ${token}`) return answer(response, 401, { message: 'token' })
    const [status, body] = await handle(request, Buffer.concat(chunks))
    if (lose === 'answer lost') return void request.socket.destroy()
    answer(response, status, body)
  }

  async function handle(request: IncomingMessage, body: Buffer): Promise<[number, unknown]> {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://gitea')
    const at = (method: string, pattern: string) =>
      request.method === method ? new RegExp(`^${pattern}$`).exec(pathname) : null
    const releases = `/api/v1/repos/${owner}/${repository}/releases`
    const length = Number(request.headers['content-length'])
    if (request.method !== 'GET') assert.equal(length, body.length, 'a body has its length')

    const tag = at('GET', `${releases}/tags/(.+)`)?.[1]
    if (tag !== undefined) return state.release?.tag === tag ? [200, shown()] : [404, {}]
    if (at('POST', releases)) {
      if (state.release !== null) return [409, { message: 'Release is has no Tag' }]
      const { tag_name, name, body: notes, draft, prerelease } = JSON.parse(String(body))
      assert.equal(tag_name, name)
      state.release = { tag: tag_name, notes, draft, prerelease }
      return [201, shown()]
    }
    if (at('PATCH', `${releases}/7`)) {
      assert.ok(state.release)
      state.release.draft = JSON.parse(String(body)).draft
      return [200, shown()]
    }
    if (at('POST', `${releases}/7/assets`)) return attach(request, body, searchParams.get('name') ?? '')
    const uuid = at('GET', '/attachments/(.+)')?.[1]
    if (uuid !== undefined) return [200, bodies.get(uuid) ?? assert.fail(`no attachment ${uuid}`)]
    const [, type, name, version] =
      at('GET', `/api/v1/packages/${owner}/([a-z]+)/([^/]+)/([^/]+)/files`) ?? []
    if (type !== undefined) return files(`${type} ${name} ${version} `)
    const place = at('PUT', `/api/packages/${owner}/(.+)`)?.[1]
    if (place !== undefined) return put(place, body)
    assert.fail('Gitea has no such route')
  }

  const shown = () => ({
    id: 7,
    draft: state.release?.draft,
    assets: Object.keys(state.assets).map((name) => ({ name, uuid: name, size: bodies.get(name)?.length })),
  })

  async function attach(request: IncomingMessage, body: Buffer, name: string): Promise<[number, unknown]> {
    const headers = { 'content-type': request.headers['content-type'] ?? '' }
    const file = (await new Response(new Uint8Array(body), { headers }).formData()).get('attachment')
    assert.ok(file instanceof File && file.name === name, 'the form has the file under its name')
    assert.equal(state.assets[name], undefined, `${name} is attached once (Gitea would keep both)`)
    const bytes = Buffer.from(await file.arrayBuffer())
    bodies.set(name, bytes)
    state.assets[name] = sha256(bytes)
    return [201, { name }]
  }

  function files(prefix: string): [number, unknown] {
    const found = Object.entries(state.packages).filter(([key]) => key.startsWith(prefix))
    return found.length === 0 ? [404, {}] : [200, found.map(([, digest]) => ({ sha256: digest }))]
  }

  function put(place: string, body: Buffer): [number, unknown] {
    const key = keyOf(place, body, read)
    if (state.packages[key] !== undefined) return [409, 'package file already exists']
    state.packages[key] = sha256(body)
    return [201, '']
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address !== 'string')
  return {
    target: { url: `http://127.0.0.1:${address.port}`, owner, repository },
    token,
    state,
    refused,
    writes,
    breakAt(at: number, how: 'request lost' | 'answer lost') {
      broken = { at, how }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export type GiteaServer = Awaited<ReturnType<typeof giteaServer>>

/** `TYPE NAME VERSION ARCH WHERE` of a package, from its content; throws when Gitea would refuse it. */
function keyOf(place: string, body: Buffer, read: PackageReader): string {
  const [type = '', ...where] = place.split('/')
  const distribution = [
    /^debian\/pool\/(stable|testing)\/main\/upload$/,
    /^rpm\/(stable|testing)\/upload$/,
    /^alpine\/(stable|testing)\/main$/,
  ]
    .map((form) => form.exec(place)?.[1])
    .find((found) => found !== undefined)
  if (distribution !== undefined) return `${type} ${read(type, body)} ${distribution}`
  assert.match(place, /^generic\/[\w.+-]+\/\d+\.\d+\.\d+[\w.-]*\/[\w.+-]+$/)
  return `${type} ${where.join(' ')}`
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  const bytes = Buffer.isBuffer(body) ? body : JSON.stringify(body)
  response.writeHead(status).end(bytes)
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

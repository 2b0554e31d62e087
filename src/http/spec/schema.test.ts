import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeServer } from '../../../testing/fakes/http-server.ts'
import { publishedSpec } from '../../../testing/published-spec.ts'

type Json = Record<string, unknown>

/** Keywords for readers, which are not compared. Where else our document differs from the spec is listed in `stricter` and `others`. */
const prose = new Set([
  'description',
  'example',
  'examples',
  'summary',
  'title',
  'x-consume',
  'operationId',
  'tags',
])

/** Bounds of ours that the spec does not have. */
const stricter = [
  /^Pin\.properties\.cid\.maxLength$/,
  /^parameter cid\.items\.maxLength$/,
  /^Origins\.items\.maxLength$/,
]
/** Bounds that differ from the spec: ours are smaller, or a request that exceeds them is accepted and the excess is ignored. */
const others = [/^Origins\.(maxItems|uniqueItems)$/, /^parameter meta\.maxProperties$/]

/** Corrects the spec, which has these bounds one level too deep: on the strings of a map instead of on the map. */
function mended(schema: Json): Json {
  const strings = schema['additionalProperties']
  if (typeof strings !== 'object' || strings === null || !('maxProperties' in strings)) return schema
  return { ...schema, additionalProperties: { type: 'string' }, maxProperties: strings.maxProperties }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The demands of a schema as a flat map by path, so that a difference shows its place. */
function demands(value: unknown, at: string, found: Map<string, unknown> = new Map()): Map<string, unknown> {
  if (!isObject(value)) return found.set(at, Array.isArray(value) ? [...value].map(String).toSorted() : value)
  for (const [key, inner] of Object.entries(mended(value))) {
    const isName = at.endsWith('.properties')
    if (isName || !prose.has(key)) demands(inner, `${at}.${key}`, found)
  }
  return found
}

function same(ours: unknown, theirs: unknown, at: string): void {
  const our = demands(ours, at)
  const their = demands(theirs, at)
  for (const path of our.keys())
    if ([...stricter, ...others].some((each) => each.test(path))) our.delete(path)
  for (const path of their.keys()) if (others.some((each) => each.test(path))) their.delete(path)
  // The spec has `minItems: 0` in some places, which demands nothing.
  const idle = (map: Map<string, unknown>) =>
    [...map].filter(([path, value]) => !(path.endsWith('.minItems') && value === 0))
  assert.deepEqual(Object.fromEntries(idle(our)), Object.fromEntries(idle(their)))
}

async function ourDocument() {
  const { app } = fakeServer()
  const response = await app.inject('/v1/openapi.json')
  assert.equal(response.statusCode, 200)
  return response.json()
}

test('our document has every schema of the spec, with the same demands', async () => {
  const ours = await ourDocument()
  const { schemas } = publishedSpec().components
  for (const [name, schema] of Object.entries(schemas)) {
    assert.ok(ours.components.schemas[name], `${name} is missing`)
    same(ours.components.schemas[name], schema, name)
  }
})

test('our document has every operation of the spec, with the same path, method, parameters, body and answers', async () => {
  const ours = await ourDocument()
  const { paths, components } = publishedSpec()
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, theirs] of Object.entries(operations)) {
      if (method === 'parameters') continue
      const our = ours.paths[`/v1${path}`]?.[method]
      assert.ok(our, `${method} ${path} is missing`)
      assert.equal(our.operationId, theirs.operationId)
      assert.deepEqual(our.requestBody?.content, theirs.requestBody?.content)
      assert.equal(our.requestBody?.required, theirs.requestBody === undefined ? undefined : true)
      const success = Object.keys(theirs.responses).filter((status) => status.startsWith('2'))
      assert.deepEqual(Object.keys(our.responses).sort(), [...success, '4XX', '5XX'])
      const query = our.parameters?.filter((each: Json) => each['in'] === 'query') ?? []
      const theirQuery = (theirs.parameters ?? []).map(
        ({ $ref }) => components.parameters[$ref.split('/').at(-1) ?? ''],
      )
      assert.deepEqual(
        new Set(query.map((each: Json) => each['name'])),
        new Set(theirQuery.map((each) => each?.['name'])),
      )
      for (const each of theirQuery) {
        const mine = query.find((one: Json) => one['name'] === each?.['name'])
        const name = `parameter ${String(each?.['name'])}`
        const { schema, content } = each ?? {}
        same(named(mine.schema ?? mine.content), named(schema ?? content), name)
        if (isObject(schema) && schema['type'] === 'array')
          assert.deepEqual([mine.style, mine.explode], ['form', false])
      }
    }
  }

  /** `meta` is inline in our document and a reference in the spec; every other reference is the same on both sides. */
  function named(schema: unknown): unknown {
    if (isObject(schema) && isObject(schema['application/json'])) {
      const inner = schema['application/json']['schema']
      const isRef = isObject(inner) && '$ref' in inner
      return isRef ? components.schemas['PinMeta'] : inner
    }
    return schema
  }
})

interface Operation {
  parameters?: {
    name: string
    in: string
    schema?: Json
    content?: { 'application/json': { example?: unknown } }
  }[]
  requestBody?: { content: Record<string, { schema: Json; example?: unknown }> }
}

/** The requests that the document suggests for one operation; throws if an example is missing. */
function suggested({ parameters = [], requestBody }: Operation, schemas: Record<string, Json>, path: string) {
  const exampleOf = (schema: Json): unknown => {
    const { examples } = schemas[String(schema['$ref']).split('/').at(-1) ?? ''] ?? schema
    return Array.isArray(examples) ? examples[0] : undefined
  }
  const given = parameters.map(({ name, in: place, schema, content, ...more }) => {
    assert.ok(
      !('example' in more),
      `${path}: the page would put ${name} into its field, and a first try find nothing`,
    )
    const example = content ? content['application/json'].example : exampleOf(schema ?? {})
    assert.notEqual(example, undefined, `${path}: ${name} has no example`)
    return { name, place, text: content ? JSON.stringify(example) : String(example) }
  })
  const [type, media] = Object.entries(requestBody?.content ?? {})[0] ?? []
  const body = media?.example ?? exampleOf(media?.schema ?? {})
  if (media !== undefined) assert.ok(body, `${path}: its body has no example`)
  const payload =
    type === 'application/json' ? JSON.stringify(body) : String(new URLSearchParams(Object(body)))
  const inPath = given.filter(({ place }) => place === 'path')
  const inQuery = given.filter(({ place }) => place === 'query')
  const pairs = inQuery.map(({ name, text }) => String(new URLSearchParams({ [name]: text })))
  return {
    path: inPath.reduce((whole, { name, text }) => whole.replace(`{${name}}`, text), path),
    queries: new Set(['', ...pairs, pairs.join('&')]),
    body: type === undefined ? {} : { payload, type },
  }
}

test('each parameter and each body has an example, and the server understands it', async () => {
  const { app } = fakeServer()
  const { paths, components } = await ourDocument()
  const meta = paths['/v1/pins'].get.parameters.find(({ name }: Json) => name === 'meta')
  assert.deepEqual(meta.content['application/json'].example, {}, 'the one that the page puts into its field')
  for (const [path, operations] of Object.entries<Record<string, Operation>>(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const { path: url, queries, body } = suggested(operation, components.schemas, `${method} ${path}`)
      for (const query of queries) {
        const request = {
          method: method.toUpperCase() as 'GET',
          url: `${url.split(' ')[1]}?${query}`,
          headers: { authorization: 'Bearer all', ...(body.type && { 'content-type': body.type }) },
          ...(body.payload && { payload: body.payload }),
        }
        const { statusCode, body: said } = await app.inject(request)
        // 404 is right here: nothing that an example names exists, and login is off.
        assert.ok(statusCode < 400 || statusCode === 404, `${method} ${request.url}: ${said}`)
        assert.doesNotMatch(said, /nothing at this path/)
      }
    }
  }
})

test('the document names its version and how to authenticate', async () => {
  const ours = await ourDocument()
  assert.equal(ours.openapi, '3.1.0')
  const { accessToken, session, ...others } = ours.components.securitySchemes
  assert.deepEqual([accessToken, others], [{ type: 'http', scheme: 'bearer' }, {}])
  assert.deepEqual([session.type, session.in, session.name], ['apiKey', 'cookie', '__Host-anchorage'])
  assert.deepEqual(ours.security, [{ accessToken: [] }, { session: [] }])
  assert.deepEqual(ours.paths['/v1/health'].get.security, [])
})

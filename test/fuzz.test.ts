// A world of its own: its log must contain only what these requests cause.
import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { after, before, suite, test } from 'node:test'
import type { Api } from '../testing/clients/api.ts'
import { specConformance, type Conforms } from './spec.ts'
import { World } from '../testing/world/world.ts'

// a few hundred cases for each operation, which a test run has time for
const runs = { numRuns: 300, endOnFailure: true }

const cid = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
const peer = '12D3KooWQCfHpredgVVothFUNntXFvKuneCUC29NUcrpLNTh9byB'

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.constantFrom(
    '',
    '\u0000',
    '\u0001\u0010',
    '\uffff',
    '𝄞'.repeat(255),
    'x'.repeat(256),
    "' or 1=1 --",
    '%00',
    '%',
    '{}',
  ),
)
const shortText = text.filter((value) => Array.from(value).length <= 255)
const anything = fc.oneof(text, fc.anything({ withNullPrototype: false }).filter(isJson), fc.constant(null))

/** Nearly always a value that the spec allows, so that whole requests are often valid; sometimes anything. */
function mostly<T, U>(good: fc.Arbitrary<T>, bad: fc.Arbitrary<U>): fc.Arbitrary<T | U> {
  return fc.oneof({ weight: 12, arbitrary: good }, { weight: 1, arbitrary: bad })
}

const goodCid = fc.constantFrom(cid, 'QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR')
// loopback only: no server listens there, and no other address may be dialled
const goodOrigin = fc.nat({ max: 90 }).map((port) => `/ip4/127.0.0.1/tcp/${port + 1}/p2p/${peer}`)
const goodDate = fc
  .date({ noInvalidDate: true, min: new Date('0001-01-01'), max: new Date('9999-12-31') })
  .map((date) => date.toISOString())
const statuses = fc.subarray(['queued', 'pinning', 'pinned', 'failed'], { minLength: 1 })

const pin = fc.record(
  {
    cid: mostly(goodCid, anything),
    name: mostly(shortText, anything),
    origins: mostly(fc.uniqueArray(goodOrigin, { maxLength: 20 }), fc.oneof(fc.array(text), anything)),
    meta: mostly(fc.dictionary(text, text, { maxKeys: 30 }), anything),
    surprise: anything,
  },
  { requiredKeys: ['cid'] },
)
const body = mostly(pin, anything)
const query = fc.record(
  {
    cid: mostly(fc.uniqueArray(goodCid, { minLength: 1 }).map(String), text),
    name: mostly(shortText, text),
    match: mostly(fc.constantFrom('exact', 'iexact', 'partial', 'ipartial'), text),
    status: mostly(statuses.map(String), text),
    before: mostly(goodDate, text),
    after: mostly(goodDate, text),
    limit: mostly(
      fc.integer({ min: 1, max: 1000 }).map(String),
      fc.oneof(fc.integer().map(String), fc.double().map(String), text),
    ),
    meta: mostly(
      fc.dictionary(text, text, { maxKeys: 5 }).map((meta) => JSON.stringify(meta)),
      fc.oneof(fc.json(), text),
    ),
    surprise: text,
  },
  { requiredKeys: [] },
)

suite('random requests from the spec', () => {
  let world: World
  let api: Api
  let conforms: Conforms
  let id: string

  before(async () => {
    conforms = specConformance()
    world = await World.start({ env: { ANCHORAGE_LOG_LEVEL: 'warn' } })
    api = await world.api()
    id = (await api.post({ cid })).requestid
  })

  after(() => world[Symbol.asyncDispose]())

  test('GET /pins answers as the spec says', async () => {
    let answered = 0
    await fc.assert(
      fc.asyncProperty(query, async (given) => {
        const answer = await api.send('GET', `/pins?${new URLSearchParams(wellFormed(given))}`)
        conforms('GET', '/pins', answer)
        if (answer.status === 200) answered++
      }),
      runs,
    )
    assert.ok(
      answered > runs.numRuns / 4,
      `only ${answered} answered: the cases are too wild to find anything`,
    )
  })

  test('GET /pins with a raw query of any bytes answers as the spec says', async () => {
    const raw = fc.string({
      unit: fc.constantFrom(...'% & = + ; , [ ] { } " 0 a A \\ | ^ ` ~ ! $ ( ) * : @ ? /'.split(' ')),
      maxLength: 200,
    })
    await fc.assert(
      fc.asyncProperty(raw, async (given) => {
        conforms('GET', '/pins', await api.send('GET', `/pins?${given.replaceAll('#', '')}`))
      }),
      runs,
    )
  })

  test('POST /pins answers as the spec says, and an accepted pin comes back as it was sent', async () => {
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(body, async (given) => {
        const answer = await api.send('POST', '/pins', { body: JSON.stringify(given) ?? 'null' })
        conforms('POST', '/pins', answer)
        if (answer.status !== 202) return
        accepted++
        const { requestid }: { requestid: string } = JSON.parse(answer.text)
        const sent: { cid: string; name?: string; meta?: object } = JSON.parse(JSON.stringify(given))
        const { pin } = await api.get(requestid)
        assert.deepEqual([pin.cid, pin.name, pin.meta ?? {}], [sent.cid, sent.name, sent.meta ?? {}])
        await api.remove(requestid)
      }),
      runs,
    )
    assert.ok(
      accepted > runs.numRuns / 4,
      `only ${accepted} accepted: the cases are too wild to find anything`,
    )
  })

  test('POST /pins with broken JSON answers as the spec says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 3 }), async (bytes, cut) => {
        const almost = JSON.stringify({ cid, name: 'cut' }).slice(0, -cut)
        const sent = cut === 0 ? Buffer.from(bytes).toString('latin1') : almost
        conforms('POST', '/pins', await api.send('POST', '/pins', { body: sent }))
      }),
      runs,
    )
  })

  test('POST /pins/{requestid} answers as the spec says, and a refusal leaves the old pin unchanged', async () => {
    await fc.assert(
      fc.asyncProperty(body, async (given) => {
        const answer = await api.send('POST', `/pins/${id}`, { body: JSON.stringify(given) ?? 'null' })
        conforms('POST', '/pins/{requestid}', answer)
        if (answer.status === 202) ({ requestid: id } = JSON.parse(answer.text))
        assert.equal((await api.get(id)).requestid, id)
      }),
      runs,
    )
  })

  for (const method of ['GET', 'POST', 'DELETE']) {
    test(`${method} /pins/{requestid} with any id answers as the spec says`, async () => {
      await fc.assert(
        fc.asyncProperty(text.filter(isPathPart), async (any) => {
          const given = method === 'POST' ? { body: { cid } } : {}
          const answer = await api.send(method, `/pins/${encodeURIComponent(any)}`, given)
          conforms(method, '/pins/{requestid}', answer)
          assert.equal(answer.status, 404, `${JSON.stringify(any)}: ${answer.text}`)
        }),
        runs,
      )
    })
  }

  test('the pin from the start still exists, and the server reports that it is ready', async () => {
    assert.equal((await api.get(id)).requestid, id)
    const ready = await fetch(`${api.url}/ready`)
    assert.equal(ready.status, 200)
    assert.doesNotMatch(await world.logs(), /"level":(50|60)/)
  })
})

function isJson(value: unknown): boolean {
  try {
    return JSON.stringify(value) !== undefined
  } catch {
    return false
  }
}

/** A URL cannot contain lone surrogates, and every client resolves dots. */
function isPathPart(value: string): boolean {
  return value.isWellFormed() && !/^\.{0,2}$/.test(value)
}

function wellFormed(query: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(query).map(([name, value]) => [name, value.toWellFormed()]))
}

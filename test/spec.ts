import { Ajv, type ValidateFunction } from 'ajv'
import formats from 'ajv-formats'
import { strict as assert } from 'node:assert'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Answer } from '../testing/clients/api.ts'

/** The published spec; an unchanged copy. */
export const specFile = join(import.meta.dirname, '../src/http/spec/ipfs-pinning-service.yaml')

interface Document {
  paths: Record<string, Record<string, { responses?: Record<string, unknown> }>>
  components: { schemas: Record<string, object>; responses: Record<string, object> }
}

/** Checks an answer against the published spec of its operation; throws with the difference. */
export type Conforms = (method: string, path: '/pins' | '/pins/{requestid}', answer: Answer) => void

export function specConformance(): Conforms {
  const document = parse(readFileSync(specFile, 'utf8')) as Document
  const ajv = new Ajv({ strict: false, allErrors: true })
  formats.default(ajv, ['date-time', 'int32'])
  const bodyOf = (schema: string): ValidateFunction =>
    ajv.compile({ $ref: `#/components/schemas/${schema}`, components: document.components })
  const results = bodyOf('PinResults')
  const status = bodyOf('PinStatus')
  const failure = bodyOf('Failure')

  return (method, path, answer) => {
    const told = `${method} ${path} answered ${answer.status} ${answer.text.slice(0, 2000)}`
    const good = method === 'GET' ? 200 : 202
    const operation = document.paths[path]?.[method.toLowerCase()]
    if (operation !== undefined && answer.status === good) {
      if (method === 'DELETE') return assert.equal(answer.text, '', told)
      return holds(method === 'GET' && path === '/pins' ? results : status)
    }
    assert.ok(answer.status >= 400 && answer.status < 500, told)
    holds(failure)

    function holds(validate: ValidateFunction): void {
      assert.match(answer.headers.get('content-type') ?? '', /^application\/json\b/, told)
      assert.ok(validate(JSON.parse(answer.text)), `${told}\n${ajv.errorsText(validate.errors)}`)
    }
  }
}

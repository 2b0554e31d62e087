/** The published Pinning Services API, for the tests that compare ours with it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import formats from 'ajv-formats'
import { parse } from 'yaml'

export interface PublishedOperation {
  operationId: string
  parameters?: { $ref: string }[]
  requestBody?: { content: Record<string, { schema: { $ref: string } }> }
  responses: Record<string, object>
}

export interface PublishedSpec {
  paths: Record<string, Record<string, PublishedOperation>>
  components: { schemas: Record<string, object>; parameters: Record<string, Record<string, unknown>> }
}

export function publishedSpec(): PublishedSpec {
  return parse(readFileSync(join(import.meta.dirname, '../src/http/spec/ipfs-pinning-service.yaml'), 'utf8'))
}

/** Returns a function that throws, with what is wrong, if `value` does not match the schema `name` of the published spec. */
export function publishedCheck(): (name: string, value: unknown) => void {
  const ajv = new Ajv({ strict: false, allErrors: true })
  formats.default(ajv)
  ajv.addSchema(publishedSpec(), 'spec')
  return (name, value) => {
    const validate = ajv.getSchema(`spec#/components/schemas/${name}`)
    if (validate === undefined) throw new Error(`the spec has no schema ${name}`)
    if (validate(value) !== true)
      throw new Error(`not a ${name}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(value)}`)
  }
}

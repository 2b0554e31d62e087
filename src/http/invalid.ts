import type { FastifySchemaValidationError } from 'fastify'
import { AnchorageError } from '../core/errors.ts'

/** The error for the first violation of a schema: it names the field and says what it should be. */
export function invalidBySchema(errors: FastifySchemaValidationError[], where: string): AnchorageError {
  const [error] = errors
  if (error === undefined) return new AnchorageError('invalid', `${where}: not valid`)
  const missing = error.params['missingProperty']
  const path = [
    ...error.instancePath.split('/').slice(1).map(unescaped),
    ...(typeof missing === 'string' ? [missing] : []),
  ]
  const field = path.length === 0 ? `the ${where}` : path.slice(0, 2).map(quoted).join('.')
  return new AnchorageError('invalid', `${field}: ${shouldBe(error)}`)
}

function shouldBe({ keyword, params, message }: FastifySchemaValidationError): string {
  const limit = String(params['limit'])
  switch (keyword) {
    case 'required':
      return 'missing; it must be given'
    case 'type':
      return params['type'] === 'object'
        ? 'must be a JSON object'
        : `must be ${articled(String(params['type']))}`
    case 'enum':
      return `must be one of ${String(params['allowedValues']).replaceAll(',', ', ')}`
    case 'maxLength':
      return `must have at most ${limit} characters`
    case 'maxItems':
    case 'maxProperties':
      return `must have at most ${limit} items`
    case 'minItems':
      return `must have at least ${limit} items`
    case 'uniqueItems':
      return 'must not contain the same item twice'
    case 'minimum':
      return `must be ${limit} or more`
    case 'maximum':
      return `must be ${limit} or less`
    case 'format':
      return 'must be an RFC 3339 date-time, such as 2026-01-31T12:00:00Z'
    default:
      return message ?? 'not valid'
  }
}

function articled(type: string): string {
  return type === 'integer' ? 'a whole number' : /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`
}

function unescaped(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~')
}

/** A name that the client chose, shortened and escaped so that every log and terminal can show it. */
export function quoted(name: string): string {
  return /^[\w-]{1,40}$/.test(name) ? name : JSON.stringify(name.slice(0, 40)).slice(1, -1)
}

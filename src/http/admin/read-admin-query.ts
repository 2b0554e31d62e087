import type { FastifyRequest } from 'fastify'
import type { AuditCursor } from '../../core/audit.ts'
import { AnchorageError } from '../../core/errors.ts'
import { parseId } from '../../core/ids.ts'
import type { OperatorUseCases } from '../../core/operators.ts'
import { quoted } from '../invalid.ts'
import { limitOf, parameters, refuseMisspelt, wholeNumber } from '../parameters.ts'
import { instantMs } from '../spec/instant.ts'

const maxAuditPage = 100

/**
 * The query of a route that is not part of the Pinning Services API, not yet validated. A parameter that is given twice or is misspelt is
 * `invalid`; unknown ones are ignored.
 */
export function readAdminQuery({ raw, routeOptions }: FastifyRequest): Record<string, unknown> {
  const spellings = spellingsOf(routeOptions.schema?.querystring)
  const query: Record<string, unknown> = {}
  for (const [name, value] of parameters(raw.url ?? '')) {
    if (!spellings.has(name)) refuseMisspelt(name, spellings)
    if (Object.hasOwn(query, name)) throw new AnchorageError('invalid', `${quoted(name)}: give it once`)
    query[name] = read(name, value)
  }
  return query
}

function spellingsOf(schema: unknown): Map<string, string> {
  const properties: unknown =
    typeof schema === 'object' && schema !== null ? Reflect.get(schema, 'properties') : {}
  return new Map(Object.keys(properties ?? {}).map((name) => [name, `${name}=VALUE`]))
}

function read(name: string, value: string): unknown {
  if (name === 'limit') return limitOf(value)
  return name === 'afterNumber' ? wholeNumber(value) : value
}

/** Converts a validated query of the audit log for the use case. Throws `invalid` if the org or the entry is malformed. */
export function auditQuery(query: {
  org?: string
  after?: string
  limit?: number
}): Parameters<OperatorUseCases['audit']>[0] {
  const { org, after, limit = maxAuditPage } = query
  return {
    limit,
    ...(org !== undefined && { orgId: parseId('org', org) }),
    ...(after !== undefined && { after: cursorOf(after, 'after') }),
  }
}

/** The audit entry that a parameter names as `at,id`. */
export function cursorOf(text: string, parameter: string): AuditCursor {
  const [at = '', id = ''] = text.split(',')
  const ms = instantMs(at)
  if (ms === null)
    throw new AnchorageError('invalid', `${parameter}: must be the at and id of an entry, as at,id`)
  return { at: new Date(ms), id: parseId('aud', id) }
}

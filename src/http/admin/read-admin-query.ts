import { AnchorageError } from '../../core/errors.ts'
import { parseId } from '../../core/ids.ts'
import type { OperatorUseCases } from '../../core/operator-use-cases.ts'
import type { AuditCursor } from '../../core/ports.ts'
import { quoted } from '../invalid.ts'
import { instantMs } from '../spec/instant.ts'
import { parameters, wholeNumber } from '../spec/read-query.ts'

const maxAuditPage = 100
const numbers = new Set(['limit', 'afterNumber'])

/** The query of an operators' route, not yet validated. A parameter given twice is `invalid`; unknown ones are ignored. */
export function readAdminQuery(url: string): Record<string, unknown> {
  const query: Record<string, unknown> = {}
  for (const [name, value] of parameters(url)) {
    if (Object.hasOwn(query, name)) throw new AnchorageError('invalid', `${quoted(name)}: give it once`)
    query[name] = numbers.has(name) ? wholeNumber(value) : value
  }
  return query
}

/** What a validated query of the audit log asks for; `invalid` names the parameter. */
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

/** The entry of the audit that a parameter names as `at,id`. */
export function cursorOf(text: string, parameter: string): AuditCursor {
  const [at = '', id = ''] = text.split(',')
  const ms = instantMs(at)
  if (ms === null) throw new AnchorageError('invalid', `${parameter}: must be at,id of an entry`)
  return { at: new Date(ms), id: parseId('aud', id) }
}

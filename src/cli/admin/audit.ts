import type { AuditEntry } from '../../core/ports.ts'
import { auditWire } from '../../http/admin/admin-wire.ts'
import { noMore, wholeNumberOf } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json, printable, table } from '../print.ts'
import type { Io } from '../verb.ts'
import { followAudit } from './follow-audit.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin audit [--limit N] [--org SLUG] [--json] [--config FILE] [--OPTION VALUE …]
       anchorage admin audit --follow [--limit N] [--org SLUG] [--json] [--config FILE] [--OPTION VALUE …]

Shows who did what, newest first; with --follow oldest first, and on and on as it happens, until Ctrl-C.

--org    only what is this org's
--limit  at most this many, up to 1000 (default 20); with --follow, how many to begin with

--json prints {"results":[{"id","at","orgId","actor","action","target","details"}]}; with --follow, one line for each entry.
Works on the database of the node's own config, with HTTP and NATS down.
`

const options = {
  follow: { type: 'boolean' },
  limit: { type: 'string' },
  org: { type: 'string' },
  json: { type: 'boolean' },
} as const

/** Shows the audit log. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, options, io)
  noMore(positionals)
  const limit = wholeNumberOf(values.limit ?? '20', '--limit', 1, 1000)
  const asJson = values.json ?? false
  await withOperator(config, io, async ({ use, orgs, asker }) => {
    const org = values.org === undefined ? {} : { orgId: (await orgs.get(asker, values.org)).id }
    const entries = await use.audit({ ...org, limit })
    if (!values.follow) {
      if (asJson) return io.out(json({ results: entries.map(auditWire) }))
      return io.out(table(['AT', 'ACTOR', 'ACTION', 'TARGET', 'DETAILS'], entries.map(rowOf)))
    }
    const write = (entry: AuditEntry) =>
      io.out(asJson ? json(auditWire(entry)) : `${printable(rowOf(entry).join('  '))}\n`)
    const read: typeof use.audit = (query) => use.audit({ ...org, ...query })
    await followAudit(entries.toReversed(), read, write, io)
  })
}

function rowOf({ at, actor, action, target, details }: AuditEntry): string[] {
  const known = details === null || details === undefined ? '' : JSON.stringify(details)
  return [at.toISOString(), actor, action, target, known]
}

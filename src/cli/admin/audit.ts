import type { AuditEntry } from '../../core/audit.ts'
import { auditWire } from '../../http/admin/admin-wire.ts'
import { wholeNumberOf } from '../arguments.ts'
import { tableOf } from '../display.ts'
import { json, printable } from '../print.ts'
import type { Column } from '../table.ts'
import { followAudit } from './follow-audit.ts'
import { operatorVerb } from './operator-verb.ts'

const columns: readonly Column[] = [
  { head: 'AT', rank: 1 },
  { head: 'ACTOR', rank: 1, least: 16 },
  { head: 'ACTION', rank: 1 },
  { head: 'TARGET', rank: 1, least: 12 },
  { head: 'DETAILS', rank: 2, least: 20 },
]

/** Shows the audit log. */
export const command = operatorVerb(
  {
    about:
      'Shows the audit log, newest first. With --follow, shows it oldest first, and then each new entry until Ctrl-C.',
    json: '{"results":[{"id","at","orgId","actor","action","target","details"}]}; with --follow, one entry per line.',
    examples: ['admin audit --limit 100', 'admin audit --org acme --follow'],
  },
  (bare) =>
    bare
      .option('--follow', 'show new entries as they happen')
      .option('--org <ORG>', 'only entries of this org (slug or id)')
      .option(
        '--limit <N>',
        'at most this many, up to 1000; with --follow, how many old entries to start with',
        wholeNumberOf('--limit', 1, 1000),
        20,
      ),
  (_args, { follow, org: slug, limit }, io) =>
    async ({ use, orgs, principal, show }) => {
      const org = slug === undefined ? {} : { orgId: (await orgs.get(principal, slug)).id }
      const read = () => use.audit({ ...org, limit })
      if (!follow) {
        const wire = (entries: AuditEntry[]) => ({ results: entries.map(auditWire) })
        const screen = (entries: AuditEntry[]) => tableOf(columns, entries.map(rowOf), io)
        return await show({ read, screen, json: wire })
      }
      const write = (entry: AuditEntry) =>
        io.out(io.json ? json(auditWire(entry)) : `${printable(rowOf(entry).join('  '))}\n`)
      const after: typeof use.audit = (query) => use.audit({ ...org, ...query })
      await followAudit((await read()).toReversed(), after, write, io)
    },
)

function rowOf({ at, actor, action, target, details }: AuditEntry): string[] {
  const known = details === null || details === undefined ? '' : JSON.stringify(details)
  return [at.toISOString(), actor, action, target, known]
}

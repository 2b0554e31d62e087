import type { AuditEntry } from '../../core/audit.ts'
import { auditWire } from '../../http/admin/admin-wire.ts'
import { wholeNumberOf } from '../arguments.ts'
import { configuredVerb } from '../config-arguments.ts'
import { display, tableOf } from '../display.ts'
import { page, prose } from '../help.ts'
import { json, printable } from '../print.ts'
import type { Column } from '../table.ts'
import { followAudit } from './follow-audit.ts'
import { withOperator } from './with-operator.ts'

const columns: readonly Column[] = [
  { head: 'AT', rank: 1 },
  { head: 'ACTOR', rank: 1, least: 16 },
  { head: 'ACTION', rank: 1 },
  { head: 'TARGET', rank: 1, least: 12 },
  { head: 'DETAILS', rank: 2, least: 20 },
]

/** Shows the audit log. */
export const command = configuredVerb(
  (bare) =>
    bare
      .description(
        prose(`Shows who did what, newest first; with --follow oldest first, and on and on as it happens, until Ctrl-C.
Works on the database of the node's own config, with HTTP and NATS down.`),
      )
      .option('--follow', 'go on as it happens')
      .option('--org <ORG>', "only what is this org's")
      .option(
        '--limit <N>',
        'at most this many, up to 1000; with --follow, how many to begin with',
        wholeNumberOf('--limit', 1, 1000),
        20,
      )
      .addHelpText(
        'after',
        page({
          json: '{"results":[{"id","at","orgId","actor","action","target","details"}]}; with --follow, one line for each entry.',
          examples: ['admin audit --limit 100', 'admin audit --org acme --follow'],
        }),
      ),
  async (_args, { follow, org: slug, limit }, io, config) =>
    await withOperator(config, io, async ({ use, orgs, principal }) => {
      const org = slug === undefined ? {} : { orgId: (await orgs.get(principal, slug)).id }
      const asked = () => use.audit({ ...org, limit })
      if (!follow) {
        const wire = (entries: AuditEntry[]) => ({ results: entries.map(auditWire) })
        const screen = (entries: AuditEntry[]) => tableOf(columns, entries.map(rowOf), io)
        return await display({ read: asked, screen, json: wire }, false, io)
      }
      const write = (entry: AuditEntry) =>
        io.out(io.json ? json(auditWire(entry)) : `${printable(rowOf(entry).join('  '))}\n`)
      const read: typeof use.audit = (query) => use.audit({ ...org, ...query })
      await followAudit((await asked()).toReversed(), read, write, io)
    }),
)

function rowOf({ at, actor, action, target, details }: AuditEntry): string[] {
  const known = details === null || details === undefined ? '' : JSON.stringify(details)
  return [at.toISOString(), actor, action, target, known]
}

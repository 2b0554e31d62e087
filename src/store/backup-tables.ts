import { AnchorageError } from '../core/errors.ts'
import type { Query } from './query.ts'

/** The tables that a backup holds, in an order in which every row comes after the rows that it refers to. */
export const backedUp = [
  'orgs',
  'signing_keys',
  'users',
  'memberships',
  'api_tokens',
  'token_denylist',
  'nodes',
  'contents',
  'placements',
  'reserved_bytes',
  'org_usage',
  'pins',
  'pin_meta',
  'pin_counts',
  'plans',
  'plan_moves',
  'audit_log',
] as const

/** The tables that a backup leaves out, and why. */
export const leftOut: Record<string, string> = {
  cluster: 'the head of a backup has the values that are kept',
  schema_migrations: 'made by migrate up',
  schema_functions: 'made by migrate up',
  cache_versions: 'each database counts its own',
  refolds: 'a walk that a trigger starts again when nodes come or go',
  garbage_turn: 'valid only for minutes',
  unwanted_pins: 'each node finds them again',
  rate_counts: 'valid only for minutes',
  sessions: 'people log in again',
  logout_tokens: 'needed only for sessions',
  pin_names: 'filled again when an org searches',
  name_marks: 'with pin_names',
  placement_changes: 'the triggers of placements fill it',
  placement_counts: 'the sum of placement_changes',
}

/** The tables that a backup of this database holds, in order; `invalid` when the database has a table that is in neither list. */
export async function tablesToKeep(query: Query): Promise<string[]> {
  const rows = await query<{ name: string }>(
    `select relname::text as name from pg_class
     where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition`,
  )
  const there = new Set(rows.map(({ name }) => name))
  const kept: readonly string[] = backedUp
  const undecided = [...there].filter((name) => !kept.includes(name) && !Object.hasOwn(leftOut, name))
  if (undecided.length > 0)
    throw new AnchorageError(
      'invalid',
      `the database has tables that are not anchorage's: ${undecided.toSorted().join(', ')}; a backup ` +
        'does not contain them, so move them to another database',
    )
  return kept.filter((name) => there.has(name))
}

/** Orgs whose counts and sums do not match their rows. This also finds a login that sees only a part of the rows. */
const wrongSums = `
  select org_id from (
    select org_id, status, level, bucket, n from pin_counts
    union all
    select org_id, status, level, seq >> bits, -count(*) from pins cross join (values (0, 10), (1, 20)) as l (level, bits) group by 1, 2, 3, 4) d
  group by org_id, status, level, bucket having sum(n) <> 0
  union
  select org_id from (
    select org_id, bytes from org_usage union all select org_id, -sum(counted_bytes) from pins group by 1) d
  group by org_id having sum(bytes) <> 0
  union
  select org_id from (
    select org_id, reserved as bytes from org_usage union all select org_id, -sum(bytes) from reserved_bytes group by 1) d
  group by org_id having sum(bytes) <> 0`

/** Refuses (`conflict`) a database whose counts do not match its rows: it must not be backed up or restored as it is. */
export async function assertSums(query: Query): Promise<void> {
  const wrong = await query(wrongSums)
  if (wrong.length > 0)
    throw new AnchorageError(
      'conflict',
      `the stored counts of ${wrong.length} orgs differ from their pins: either they are wrong (anchorage admin recount shows and corrects them), or the login cannot see every row`,
    )
}

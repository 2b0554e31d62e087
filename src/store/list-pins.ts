import { pinStatuses, type NameMatch, type PinPage, type PinQuery } from '../core/pin.ts'
import type { OrgId } from '../core/ids.ts'
import type { Database } from './database.ts'
import { pinColumns, type DetailRow, type NodeBook, type PinRow } from './pin-rows.ts'
import { pinOf } from './show-pin.ts'
import { fold, mapMeta, toText } from './text.ts'

/**
 * One page, newest first, and how many match in all, from one statement. `seq` runs with `created`, so the bounds are looked up
 * once and everything else goes by `seq`. Status and time alone are counted from buckets and never scan; any other filter walks
 * its own index once, for the page and the count together.
 */
export async function listPins(
  db: Database,
  orgId: OrgId,
  query: PinQuery,
  book: NodeBook,
): Promise<PinPage> {
  const sql = new Sql()
  const bounds = boundsOf(sql, query)
  const filtered = query.cids || query.name !== undefined || Object.keys(query.meta ?? {}).length > 0
  const { count, page } = filtered ? filteredList(sql, query) : countedList(sql, query)
  const text = `with bound as (${bounds}), ${page}
    select (${count}) as count, (select json_agg(p order by p.seq desc) from page p) as page,
      (select json_agg(d) from pin_details((select array_agg(distinct p.cid) from page p)) d) as details`
  const [rows = []] = await db.tenantAtOnce(orgId, [[text, sql.params]])
  const [row] = rows as { count: number; page: PinRow[] | null; details: DetailRow[] | null }[]
  const byCid = Map.groupBy(row?.details ?? [], (detail) => detail.cid)
  return {
    // the spec's count is an int32
    count: Math.min(row?.count ?? 0, 2 ** 31 - 1),
    results: (row?.page ?? []).map((pin) => pinOf(pin, byCid.get(pin.cid) ?? [], book)),
  }
}

/** Numbered parameters of a statement under construction. */
class Sql {
  readonly params: unknown[] = []

  param(value: unknown): string {
    this.params.push(value)
    return `$${this.params.length}`
  }
}

/** `lo` and `hi`: the seqs between which the time filters leave something (created has whole milliseconds). */
function boundsOf(sql: Sql, { before, after }: PinQuery): string {
  const hi =
    before === undefined
      ? '(select last_seq from orgs where id = current_org())'
      : `(select seq from pins where org_id = current_org() and created <= ${sql.param(instant(Math.ceil(before) - 1))}::timestamptz
          order by created desc limit 1)`
  const lo =
    after === undefined
      ? '1'
      : `(select seq from pins where org_id = current_org() and created >= ${sql.param(instant(Math.floor(after) + 1))}::timestamptz
          order by created limit 1)`
  return `select coalesce(${lo}, 9e15::bigint) as lo, coalesce(${hi}, 0) as hi`
}

/** Times no pin can have are as good as the nearest that Postgres takes. */
function instant(ms: number): string {
  return new Date(Math.min(Math.max(ms, 0), Date.UTC(9000, 0))).toISOString()
}

/** Up to so many pins with the wanted meta are looked up one by one; beyond, one pass over the other filter is cheaper (`is true` makes it a hash). */
const fewRows = 2_000

/** The parts of a list: a scalar subquery, and CTEs of which the last is `page`. */
interface Parts {
  count: string
  page: string
}

function countedList(sql: Sql, { statuses = [...pinStatuses], limit }: PinQuery): Parts {
  const list = sql.param(statuses)
  const most = sql.param(limit)
  return {
    count: `select coalesce(sum(case when lo <= hi then count_to(s, hi) - count_to(s, lo - 1) else 0 end), 0)::bigint
      from bound, unnest(${list}::text[]) s`,
    page: `page as materialized (
      select p.* from unnest(${list}::text[]) s
      cross join lateral (select ${pinColumns}, seq from pins
        where org_id = current_org() and status = s and seq between (select lo from bound) and (select hi from bound)
        order by seq desc limit ${most}) p
      order by seq desc limit ${most})`,
  }
}

/** Only seqs are gathered, so that an index alone answers most filters; the page's rows are then looked up by status and seq. */
function filteredList(sql: Sql, query: PinQuery): Parts {
  const meta = Object.entries(mapMeta(query.meta ?? {}, toText))
  const onPins = pinFilters(sql, query).join(' and ')
  // `+ 0` keeps the planner from taking the bounds, whose width it cannot know, for the narrow filter
  const between = 'between (select lo from bound) and (select hi from bound)'
  const own = `select seq from pins where org_id = current_org() and ${onPins}`
  const byMeta = `select m0.seq from ${meta.map((_, i) => `pin_meta m${i}`).join(', ')} where m0.seq + 0 ${between}
    and ${meta.map(([key, value], i) => metaFilter(sql, `m${i}`, key, value)).join(' and ')}`
  const hits =
    meta.length === 0
      ? `hits as materialized (${own} and seq + 0 ${between})`
      : onPins === ''
        ? `hits as materialized (${byMeta})`
        : `tagged as materialized (${byMeta}), hits as materialized (
            select seq from tagged t where (select count(*) from tagged) <= ${fewRows}
              and exists (${own} and pins.seq = t.seq)
            union all select seq from tagged t where (select count(*) from tagged) > ${fewRows} and (seq in (${own})) is true)`
  return {
    count: 'select count(*) from hits',
    page: `${hits}, page as materialized (
      select p.* from (select seq from hits order by seq desc limit ${sql.param(query.limit)}) h
      cross join unnest(${sql.param(query.statuses ?? [...pinStatuses])}::text[]) s
      cross join lateral (select ${pinColumns}, seq from pins
        where org_id = current_org() and status = s and seq = h.seq offset 0) p)`,
  }
}

function metaFilter(sql: Sql, table: string, key: string, value: string): string {
  return `${table}.org_id = current_org() and ${table}.key = meta_key(${sql.param(key)})
    and ${table}.value = meta_key(${sql.param(value)}) and ${table}.seq = m0.seq`
}

function pinFilters(sql: Sql, query: PinQuery): string[] {
  return [
    ...(query.cids ? [`cid = any (${sql.param(query.cids)})`] : []),
    ...(query.name === undefined ? [] : [nameFilter(sql, query.name, query.match ?? 'exact')]),
    // all of them are no filter, and what Kubo sends
    ...(query.statuses && new Set(query.statuses).size < pinStatuses.length
      ? [`status = any (${sql.param(query.statuses)})`]
      : []),
  ]
}

function nameFilter(sql: Sql, name: string, match: NameMatch): string {
  switch (match) {
    case 'exact':
      return `name_folded = ${sql.param(toText(fold(name)))} and name = ${sql.param(toText(name))}`
    case 'iexact':
      return `name is not null and name_folded = ${sql.param(toText(fold(name)))}`
    case 'partial':
      return `name is not null and strpos(name, ${sql.param(toText(name))}) > 0`
    case 'ipartial':
      return `name is not null and strpos(name_folded, ${sql.param(toText(fold(name)))}) > 0`
    default:
      return match satisfies never
  }
}

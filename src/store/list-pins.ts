import { pinStatuses, searchesFor, type PinPage, type PinQuery } from '../core/pin.ts'
import type { OrgId } from '../core/ids.ts'
import { mapInSlices } from './slices.ts'
import type { Database } from './database.ts'
import { pinColumns, type DetailRow, type KnownNodes, type PinRow } from './pin-rows.ts'
import { pinOf } from './show-pin.ts'
import { fold, mapMeta, toText } from './text.ts'

/** `small`: make the page only if it is small. `any`: make it however large it is. */
export type PageSize = 'small' | 'any'

export interface ListContext {
  knownNodes: KnownNodes
  size: PageSize
  /** Called when it is worth noting the org's names, so that the next search for part of a name reads fewer pins. */
  noteNames: (orgId: OrgId) => void
  signal: AbortSignal | undefined
}

/**
 * One page, newest first, and how many pins match in all, from one statement. Null when a small page was asked for and the page is not
 * small. `seq` grows with `created`, so the time bounds are looked up once, and everything else uses `seq`. Filters by status and time
 * alone are counted from buckets and never scan. Any other filter walks its own index once, for both the page and the count.
 */
export async function listPins(
  db: Database,
  orgId: OrgId,
  query: PinQuery,
  { knownNodes, size, noteNames, signal }: ListContext,
): Promise<PinPage | null> {
  const sql = new Sql()
  const bounds = boundsOf(sql, query)
  const { count, found, behind } = searchesFor(query) ? filteredList(sql, query) : countedList(sql, query)
  const text = `with bound as (${bounds}), ${found}, page as materialized (${pageOf[size]})
    select (${count}) as count, exists (select from found) as finds, (${behind}) as behind, pins,
      case when coalesce(part, 0) = 0 then (select json_agg(d) from pin_details((select array_agg(distinct cid) from page)) d) end as details
    from (values (true)) v left join (select part, json_agg(p order by seq desc) as pins from page p group by part) parts on true
    order by part`
  const [rows = []] = await db.orgAtOnce(orgId, [[text, sql.params, ...nameOf(query, size)]], signal)
  const parts = rows as ListPart[]
  const [first] = parts
  if (first?.behind) noteNames(orgId)
  if (first?.finds && first.pins === null) return null
  const byCid = Map.groupBy(first?.details ?? [], (detail) => detail.cid)
  const pins = parts.flatMap((part) => part.pins ?? [])
  return {
    // the spec's count is an int32
    count: Math.min(first?.count ?? 0, 2 ** 31 - 1),
    results: await mapInSlices(pins, (pin) => pinOf(pin, byCid.get(pin.cid) ?? [], knownNodes)),
  }
}

/**
 * A page comes in parts, since reading a large one in one go would keep other work of the process waiting. The first part has the facts
 * about the whole page.
 */
interface ListPart {
  count: number
  finds: boolean
  behind: boolean
  pins: PinRow[] | null
  details: DetailRow[] | null
}

/** A list that does not search has one of a few texts, each with its own name: one plan fits all calls of a text. */
function nameOf(query: PinQuery, size: PageSize): [name?: string] {
  if (searchesFor(query)) return []
  return [
    `list ${size}${query.before === undefined ? '' : ' before'}${query.after === undefined ? '' : ' after'}`,
  ]
}

/** Numbered parameters of a statement under construction. */
class Sql {
  readonly params: unknown[] = []

  param(value: unknown): string {
    this.params.push(value)
    return `$${this.params.length}`
  }
}

/** `lo` and `hi`: the range of seqs that the time filters leave (`created` has whole milliseconds). */
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

/** A time that no pin can have is moved to the nearest one that Postgres takes. */
function instant(ms: number): string {
  return new Date(Math.min(Math.max(ms, 0), Date.UTC(9000, 0))).toISOString()
}

/** A page ends after the pin with which it reaches this size, so that no list overloads Postgres, the node or other orgs. */
export const maxPageBytes = 4 << 20
/** A page that is no larger than this is small. */
export const smallPageBytes = 256 << 10

const shownBytes = 'coalesce(shown_bytes, shown_bytes(meta, name, origins, replicas))'

/**
 * The part of the found pins that makes the page. `small`: all of them, or none. `any`: as many as an answer may hold, newest first, at
 * least one.
 */
const pageOf: Record<PageSize, string> = {
  small: `select ${pinColumns}, seq, 0 as part from found where (select sum(${shownBytes}) from found) <= ${smallPageBytes}`,
  any: `select ${pinColumns}, seq, bytes_before / ${smallPageBytes} as part
    from (select f.*, coalesce(sum(${shownBytes}) over (order by seq desc rows between unbounded preceding and 1 preceding), 0)
      as bytes_before from found f) f
    where bytes_before < ${maxPageBytes}`,
}

/**
 * Up to this many pins with the wanted meta are looked up one by one. Beyond that, one pass over the other filter is cheaper (`is true`
 * makes it a hash).
 */
const fewRows = 2_000

/**
 * The SQL of a list. `count`: a scalar subquery. `found`: CTEs, the last of which is named `found` and is the page before it is cut by
 * bytes. `behind`: whether names should be noted, so that the next list of this kind reads fewer pins.
 */
interface Parts {
  count: string
  found: string
  behind: string
}

function countedList(sql: Sql, { statuses = [...pinStatuses], limit }: PinQuery): Parts {
  const list = sql.param(statuses)
  const most = sql.param(limit)
  return {
    count: `select coalesce(sum(case when lo <= hi then count_to(s, hi) - count_to(s, lo - 1) else 0 end), 0)::bigint
      from bound, unnest(${list}::text[]) s`,
    found: `found as materialized (
      select p.* from unnest(${list}::text[]) s
      cross join lateral (select ${pinColumns}, seq, shown_bytes from pins
        where org_id = current_org() and status = s and seq between (select lo from bound) and (select hi from bound)
        order by seq desc limit ${most}) p
      order by seq desc limit ${most})`,
    behind: 'false',
  }
}

/** Gathers only seqs, so that an index alone answers most filters, and then looks up the page's rows by status and seq. */
function filteredList(sql: Sql, query: PinQuery): Parts {
  const meta = Object.entries(mapMeta(query.meta ?? {}, toText))
  const part = namePart(query)
  // `+ 0` keeps the planner from taking the bounds, whose width it cannot know, for the selective filter
  const between = 'between (select lo from bound) and (select hi from bound)'
  const onPins = pinFilters(sql, query, part === null).join(' and ')
  // `offset 0` keeps the planner from turning lookups of a few pins into one pass over all pins of the org
  const own = `select seq from pins where org_id = current_org() and ${onPins}`
  const [pair, ...others] = meta
  const tables = [
    ...(pair ? [others.length === 0 ? taggedByOne(sql, pair, between) : taggedBy(sql, meta, between)] : []),
    ...(part === null ? [] : [named(sql, query, part, between)]),
  ]
  const tagged = tables.map((rows) => `select seq from (${rows}) t`).join(' intersect ')
  const hits =
    tagged === ''
      ? `hits as materialized (${own} and seq + 0 ${between})`
      : onPins === ''
        ? `hits as materialized (${tagged})`
        : `tagged as materialized (${tagged}), hits as materialized (
            select seq from tagged t where (select count(*) from tagged) <= ${fewRows}
              and exists (${own} and pins.seq = t.seq offset 0)
            union all select seq from tagged t where (select count(*) from tagged) > ${fewRows} and (seq in (${own})) is true)`
  return {
    count: 'select count(*) from hits',
    found: `${part === null ? '' : `${noted}, `}${hits}, found as materialized (
      select p.* from (select seq from hits order by seq desc limit ${sql.param(query.limit)}) h
      cross join unnest(${sql.param(query.statuses ?? [...pinStatuses])}::text[]) s
      cross join lateral (select ${pinColumns}, seq, shown_bytes from pins
        where org_id = current_org() and status = s and seq = h.seq offset 0) p)`,
    behind: part === null ? 'false' : 'select lags from noted',
  }
}

/**
 * The pins that have all of these pairs. The statement has the same size for any number of pairs. If one pair is rare, its pins are checked
 * against the other pairs. If none is rare, the matches of all pairs are read once, so the work grows with their sum and not with their
 * product.
 */
function taggedBy(sql: Sql, meta: [string, string][], between: string): string {
  const keys = sql.param(meta.map(([key]) => key))
  const values = sql.param(meta.map(([, value]) => value))
  const like = (pair: string) => `org_id = current_org() and key = ${pair}.key and value = ${pair}.value`
  const within = (pair: string) =>
    `select seq from pin_meta where ${like(pair)} and seq + 0 ${between} offset 0`
  return `with pairs as materialized (
      select key, value, n, row_number() over (order by n) as place
      from (select meta_key(k) as key, meta_key(v) as value from unnest(${keys}::text[], ${values}::text[]) as u (k, v)) w
      cross join lateral (select count(*) as n from (select from pin_meta where ${like('w')} limit ${fewRows}) m) c)
    select m.seq from pairs rarest cross join lateral (${within('rarest')}) m
    where rarest.place = 1 and rarest.n < ${fewRows} and not exists (
      select from pairs o where o.place > 1 and not exists (select from pin_meta where ${like('o')} and seq = m.seq))
    union all
    select m.seq from pairs p cross join lateral (${within('p')}) m
    where (select min(n) from pairs) = ${fewRows} group by m.seq having count(*) = ${meta.length}`
}

/** The same for one pair. */
function taggedByOne(sql: Sql, [key, value]: [string, string], between: string): string {
  return `select seq from pin_meta where org_id = current_org() and key = meta_key(${sql.param(key)})
    and value = meta_key(${sql.param(value)}) and seq + 0 ${between}`
}

/** A part of a name: folded, and also as it is written (`exact`) if its case matters. */
interface NamePart {
  folded: string
  exact: string | null
}

/** Noted names can be searched only for a part with three letters or digits in a row. */
const findable = /[\p{L}\p{N}]{3}/u

/** The part of a name to look up among the noted names. Null: check the names of all pins that the other filters leave. */
function namePart({ name, match, cids }: PinQuery): NamePart | null {
  if (name === undefined || cids !== undefined || (match !== 'partial' && match !== 'ipartial')) return null
  const folded = toText(fold(name))
  return findable.test(folded) ? { folded, exact: match === 'partial' ? toText(name) : null } : null
}

/** The names of an org that searches are noted once it has `first` pins, and again whenever `again` more pins have come since. */
const worthNoting = { first: 3_000, again: 1_000 }

/** `most`: so many names are noted that the other names can be checked one by one. `lags`: more names should be noted now. */
const noted = `noted as materialized (
  select created, created > '-infinity' and behind <= ${worthNoting.first} as most,
    behind > case when created > '-infinity' then ${worthNoting.again} else ${worthNoting.first} end as lags from names_noted())`

/**
 * If most names are noted: the pins with a noted name that matches, and matching pins that came since. Otherwise: all matching pins, by
 * checking every name.
 */
function named(sql: Sql, query: PinQuery, { folded, exact }: NamePart, between: string): string {
  const byName = nameFilter(sql, query)
  const others = `select seq from pins where org_id = current_org() and ${byName} and seq + 0 ${between}`
  return `select seq from named_like(${sql.param(folded)}, ${sql.param(exact)}) seq
      where (select most from noted) and seq ${between}
    union all ${others} and (select most from noted) and created > (select created from noted)
    union all ${others} and not (select most from noted)`
}

/** The conditions on a pin's row itself. The name is one of them only if `byName`; otherwise it is looked up elsewhere. */
function pinFilters(sql: Sql, query: PinQuery, byName: boolean): string[] {
  return [
    ...(query.cids ? [`cid = any (${sql.param(query.cids)})`] : []),
    ...(query.name === undefined || !byName ? [] : [nameFilter(sql, query)]),
    // all statuses together are no filter; Kubo sends them all
    ...(query.statuses && new Set(query.statuses).size < pinStatuses.length
      ? [`status = any (${sql.param(query.statuses)})`]
      : []),
  ]
}

function nameFilter(sql: Sql, { name = '', match = 'exact' }: PinQuery): string {
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

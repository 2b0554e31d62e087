import type pg from 'pg'
import { idOf, type IdKind, type OrgId } from '../core/ids.ts'
import type { Miscount, Recount } from '../core/recount.ts'
import { assertRole } from './assert-ready.ts'
import { audit } from './audit.ts'
import { transactionOn, withOneClient } from './one-client.ts'
import type { Query } from './query.ts'

export interface RecountTerms {
  systemUrl: string
  /** Wrong numbers are corrected, and the audit names this actor. Null: nothing is changed. */
  correctAs: string | null
  /** Called before each org, node and plan, with what has been looked at so far. */
  onStep: (soFar: Pick<Recount, Counted | 'wrong'>, about: string) => void
  signal: AbortSignal
}

type Counted = 'orgs' | 'nodes' | 'plans'

/** What has counts, and how to find the next one after an id. Something that does not exist any more may still have counts. */
interface Kind {
  prefix: IdKind & ('org' | 'nod' | 'pln')
  word: 'org' | 'node' | 'plan'
  counted: Counted
  next: string
}

const kinds: readonly Kind[] = [
  {
    prefix: 'org',
    word: 'org',
    counted: 'orgs',
    next: `select x.id, (select o.slug from orgs o where o.id = x.id) as name from (
      (select id from orgs where id > $1 order by id limit 1) union all
      (select org_id from pin_counts where org_id > $1 order by org_id limit 1) union all
      (select org_id from org_usage where org_id > $1 order by org_id limit 1)) x order by x.id limit 1`,
  },
  {
    prefix: 'nod',
    word: 'node',
    counted: 'nodes',
    next: `select x.id, (select n.name from nodes n where n.id = x.id) as name from (
      (select id from nodes where id > $1 order by id limit 1) union all
      (select node_id from placements where node_id > $1 order by node_id limit 1) union all
      (select node_id from placement_counts where node_id > $1 order by node_id limit 1) union all
      (select node_id from placement_changes where node_id > $1 order by node_id limit 1)) x order by x.id limit 1`,
  },
  {
    prefix: 'pln',
    word: 'plan',
    counted: 'plans',
    next: 'select id, null as name from plans where whole and id > $1 order by id limit 1',
  },
]

const beforeAll = '00000000-0000-0000-0000-000000000000'
const most = 1_000

/** A large org or node is counted in one statement, which locks nothing. */
const begin = `begin; set local statement_timeout = '30min'; set local lock_timeout = '30s'`

/**
 * Compares each number that is stored of the orgs, nodes and plans with the rows that it sums up, while nodes continue to work; each org,
 * node and plan in a transaction of its own. If it breaks off, it can simply be repeated.
 */
export async function recount({ systemUrl, correctAs, onStep, signal }: RecountTerms): Promise<Recount> {
  const login = { url: systemUrl, option: 'database.systemUrl', name: 'anchorage recount', signal }
  return withOneClient(login, async (client) => {
    await transactionOn(client, begin, (query) => assertRole(query, 'anchorage_system'))
    const done: Recount = { orgs: 0, nodes: 0, plans: 0, wrong: 0, miscounts: [] }
    for (const kind of kinds) {
      for await (const { id, name } of each(client, kind)) {
        onStep(done, `${kind.word} ${name ?? idOf(kind.prefix, id)}`)
        const found = await transactionOn(client, begin, (query) => step(query, kind, id, correctAs))
        done[kind.counted]++
        done.wrong += found.length
        for (const each of found.slice(0, most - done.miscounts.length))
          done.miscounts.push({ id: idOf(kind.prefix, id), name, ...each })
      }
    }
    return done
  })
}

interface Row {
  id: string
  name: string | null
}

async function* each(client: pg.Client, { next }: Kind): AsyncGenerator<Row> {
  for (let after = beforeAll; ;) {
    const [row] = await transactionOn(client, begin, (query) => query<Row>(next, [after]))
    if (row === undefined) return
    yield row
    after = row.id
  }
}

/** Looks at one org, node or plan; returns what is wrong, or was. */
async function step(
  query: Query,
  { prefix, word }: Kind,
  id: string,
  correctAs: string | null,
): Promise<Omit<Miscount, 'id' | 'name'>[]> {
  const call = correctAs === null ? `miscounts_of_${word}` : `recount_${word}`
  const rows = await query<{ counter: string; key: Miscount['key']; kept: string; counted: string }>(
    `select counter, key, kept, counted from ${call}($1)`,
    [id],
  )
  const wrong = rows.map((row) => ({ ...row, kept: Number(row.kept), counted: Number(row.counted) }))
  if (correctAs !== null && wrong.length > 0)
    await audit(
      { scope: 'system', query },
      {
        ...(prefix === 'org' ? { orgId: idOf('org', id) satisfies OrgId } : {}),
        actor: correctAs,
        action: `${word}.recount`,
        target: idOf(prefix, id),
        details: { corrected: wrong.length, counters: [...new Set(wrong.map(({ counter }) => counter))] },
      },
    )
  return wrong
}

import assert from 'node:assert/strict'
import pg from 'pg'

/** Queries that must find no rows once all work has ended, whatever ran at the same time before. */
const none: [what: string, sql: string][] = [
  [
    'stored counts of orgs that are wrong',
    `select o.id, m.* from (select id from orgs union select org_id from pin_counts union select org_id from org_usage) o
     cross join lateral miscounts_of_org(o.id) m`,
  ],
  [
    'stored counts of nodes that are wrong',
    `select n.id, m.* from (select id from nodes union select node_id from placements union select node_id from placement_counts
       union select node_id from placement_changes) n
     cross join lateral miscounts_of_node(n.id) m`,
  ],
  [
    'stored counts of plans that are wrong',
    'select p.id, m.* from plans p cross join lateral miscounts_of_plan(p.id) m',
  ],
  [
    'a pin without a placement',
    'select cid from pins where error_code is null and not exists (select from placements p where p.cid = pins.cid)',
  ],
  [
    'a placement without content',
    'select cid from placements p where not exists (select from contents c where c.cid = p.cid)',
  ],
  [
    'content that no pin wants',
    'select cid from contents c where not is_wanted(cid) and not exists (select from pins where pins.cid = c.cid)',
  ],
  [
    'content that stays though all of its pins are refused',
    'select c.cid from contents c where not is_wanted(c.cid) and exists (select from placements p where p.cid = c.cid)',
  ],
  [
    'bytes that stay reserved for what is not under way, or that its org does not want',
    `select r.* from reserved_bytes r where not exists (select from contents c where c.cid = r.cid and c.dag_size is null)
       or not exists (select from placements p where p.cid = r.cid and p.state in ('queued', 'pinning'))
       or not exists (select from pins p where p.cid = r.cid and p.org_id = r.org_id and p.error_code is null)`,
  ],
  [
    'a pin that counts other bytes than its content has',
    `select p.id, p.error_code, p.counted_bytes, c.dag_size from pins p join contents c on c.cid = p.cid
     where p.counted_bytes <> case when p.error_code is null then coalesce(c.dag_size, 0) * p.replicas else 0 end`,
  ],
  [
    'a refused pin that is not failed',
    `select id from pins where error_code is not null and status <> 'failed'`,
  ],
  ['a pin that holds more than one content', 'select id from pins where cardinality(holds) > 1'],
  ['a hold that stayed', `select id from pins where holds is not null and status = 'pinned'`],
  [
    'a status that is not what its placements say',
    `select p.cid, p.status, k.* from pins p cross join lateral (
       select count(*) filter (where state = 'pinned') as pinned, count(*) filter (where state = 'pinning') as pinning,
         count(*) filter (where state = 'queued') as queued, count(*) filter (where state = 'failed') as failed
       from placements q where q.cid = p.cid and not q.lost) k
     where p.error_code is null and p.status <> fold_status(p.status, least(p.replicas, able_nodes()), k.pinned, k.pinning, k.queued, k.failed)`,
  ],
  [
    'content that wants another number of copies than its pins',
    `select c.cid, c.wanted, max(p.replicas) from contents c join pins p on p.cid = c.cid
     where p.error_code is null group by c.cid having c.wanted <> max(p.replicas)`,
  ],
  [
    'meta without a pin',
    'select m.seq from pin_meta m left join pins p using (org_id, seq) where p.id is null',
  ],
  [
    "a noted name that is not its pin's",
    `select p.id, p.name, n.* from pin_names n left join pins p on p.org_id = n.org_id and p.id = n.pin_id
     where p.seq is distinct from n.seq or p.name is distinct from coalesce(n.name, n.folded) or p.name_folded is distinct from n.folded`,
  ],
  [
    "a name that is not noted, though its org's are up to a later pin",
    `select p.id from pins p join name_marks m using (org_id) left join pin_names n on n.pin_id = p.id
     where p.seq <= m.seq and p.name is not null and n.seq is null`,
  ],
  ['created twice', 'select org_id, created from pins group by 1, 2 having count(*) > 1'],
]

/** Checks as the system role that no rows in any of the tables contradict one another. */
export async function assertAgreement(systemUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: systemUrl })
  await client.connect()
  try {
    for (const [what, sql] of none) assert.deepEqual((await client.query(sql)).rows, [], what)
  } finally {
    await client.end()
  }
}

-- Reads how many bytes of unfinished contents have arrived so far, for each org with a byte limit that wants one of them: the most that a
-- queued or pinning placement has, times the number of copies that the org asks for. That number is the largest among the newest hundred
-- of the org's pins of the content; as a rule all of them ask for the same number.
-- Locks: nothing.
-- Returns: one row for each content and org, with the org's limit. A content of known size, or of which nothing has arrived, has no row.
create or replace function arrived_bytes(cids text[]) returns table (cid text, org_id uuid, bytes bigint, max_bytes bigint)
language sql stable as $$
  select u.cid, w.org_id, a.bytes * n.replicas, o.max_bytes from unnest(cids) as u (cid)
  -- each `offset 0` keeps the planner from turning the join round: rows are looked up by their keys, content by content
  cross join lateral (select from contents c where c.cid = u.cid and c.dag_size is null offset 0) c
  cross join lateral (
    select max(p.bytes) as bytes from placements p where p.cid = u.cid and p.state in ('queued', 'pinning') and not p.lost) a
  -- steps from org to org in the index, since one org may have very many pins of the content
  cross join lateral (
    with recursive walk (org_id) as (
      (select p.org_id from pins p where p.cid = u.cid order by p.org_id limit 1)
      union all
      select (select p.org_id from pins p where p.cid = u.cid and p.org_id > w.org_id order by p.org_id limit 1)
      from walk w where w.org_id is not null)
    select org_id from walk where org_id is not null) w
  cross join lateral (select x.max_bytes from orgs x where x.id = w.org_id and x.max_bytes is not null offset 0) o
  cross join lateral (
    select max(l.replicas) as replicas from (
      select p.replicas from pins p where p.cid = u.cid and p.org_id = w.org_id and p.error_code is null order by p.seq desc limit 100) l) n
  where a.bytes > 0 and n.replicas > 0
$$;

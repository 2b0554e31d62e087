-- Tells for how many ms the placement that has waited longest on a node has been due; 0 when none is due. It looks at one row an org and at
-- most at a thousand orgs, for fresh placements and for retries each. A placement that put_by set aside is never due.
-- Locks: nothing.
create or replace function queue_oldest_ms(node uuid) returns bigint language sql stable as $$
  with recursive kinds (again) as (values (false), (true)), waiting (again, org_id, at, n) as (
    select k.again, q.org_id, q.next_attempt_at, 1 from kinds k cross join lateral (
      select p.org_id, p.next_attempt_at from placements p
      where p.node_id = node and p.state = 'queued' and p.retrying = k.again order by p.org_id, p.next_attempt_at limit 1) q
    union all
    select w.again, q.org_id, q.next_attempt_at, w.n + 1 from waiting w cross join lateral (
      select p.org_id, p.next_attempt_at from placements p
      where p.node_id = node and p.state = 'queued' and p.retrying = w.again and p.org_id > w.org_id
      order by p.org_id, p.next_attempt_at limit 1) q
    where w.n < 1000
  ), due (at) as (
    select w.at from waiting w
    union all
    (select p.next_attempt_at from placements p where p.node_id = node and p.state = 'unpinning' order by p.next_attempt_at limit 1)
  )
  select coalesce(extract(epoch from clock_timestamp() - min(at)) * 1000, 0)::bigint from due where at < clock_timestamp()
$$;

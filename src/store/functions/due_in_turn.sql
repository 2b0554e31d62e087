-- Reads the queued placements of a node that are due and not claimed. It takes the `orgs` orgs that come after `after_org` (after the last
-- org it goes on with the first), at most `per_org` placements of each, and each org's first before any org's second, up to `most` rows.
-- `again` selects the placements that are being retried; false selects the others, which are due from the beginning, even if the clock of
-- the database was ahead when they were made. Nodes up to level 128 read retries here; due_retries passes over orgs with nothing due.
-- Locks: nothing.
-- Returns: `attempt`: the number of the attempt that is due. `place`: the org's place in the walk, from 1; the next call goes on after the
-- org with the greatest one. So an org with nothing due has a row without a cid, and these rows come first.
create or replace function due_in_turn(node uuid, again boolean, after_org uuid, orgs int, per_org int, most int)
returns table (cid text, generation bigint, attempt int, org_id uuid, state text, place bigint)
language sql stable as $$
  with recursive later (org_id, n) as (
    (select p.org_id, 1::bigint from placements p
     where p.node_id = node and p.state = 'queued' and p.retrying = again and p.org_id > after_org order by p.org_id limit 1)
    union all
    select (select p.org_id from placements p
            where p.node_id = node and p.state = 'queued' and p.retrying = again and p.org_id > w.org_id
            order by p.org_id limit 1), n + 1
    from later w where w.org_id is not null and n < orgs
  ), sooner (org_id, n) as (
    (select p.org_id, 1 + (select count(l.org_id) from later l) from placements p
     where p.node_id = node and p.state = 'queued' and p.retrying = again and p.org_id <= after_org
       and (select count(l.org_id) from later l) < orgs order by p.org_id limit 1)
    union all
    select (select p.org_id from placements p
            where p.node_id = node and p.state = 'queued' and p.retrying = again and p.org_id > w.org_id and p.org_id <= after_org
            order by p.org_id limit 1), n + 1
    from sooner w where w.org_id is not null and n < orgs
  )
  select d.cid, d.generation, d.attempts - d.attempts_before + 1, o.org_id, d.state, o.n
  from (select * from later where org_id is not null union all select * from sooner where org_id is not null) o
  left join lateral (
    select p.*, row_number() over (order by p.next_attempt_at) as turn from (
      select * from placements q
      -- as in due_retries, it must not be a constant
      where q.node_id = node and q.state = 'queued' and q.retrying = (select again) and q.org_id = o.org_id
        -- an index finds what is before a stable function; clock_timestamp() would be compared with every row
        and q.next_attempt_at <= case when again then statement_timestamp() else 'infinity' end
        and not is_claimed(q.claimed_until)
      order by q.next_attempt_at limit per_org) p) d on true
  order by d.turn nulls first, o.n limit most
$$;

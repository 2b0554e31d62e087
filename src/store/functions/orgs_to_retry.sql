-- Reads the orgs that have retries of a node which are due. It walks over the due retries in the order of their due time, from the position
-- (`after_at`, `after_org`) on, and looks at no more than `most` of them. It passes over no retry that is not due yet.
-- Locks: nothing.
-- Returns: one row. `orgs`: the orgs that it met, each once, in the order of their ids. `at` and `org`: the position of the last retry that
-- it looked at, null when there was none. `more`: it looked at `most`, so there may be more.
create or replace function orgs_to_retry(node uuid, after_at timestamptz, after_org uuid, most int)
returns table (orgs uuid[], at timestamptz, org uuid, more boolean) language sql stable as $$
  with due as materialized (
    select p.next_attempt_at, p.org_id from placements p
    where p.node_id = node and p.state = 'queued' and p.retrying and p.next_attempt_at <= statement_timestamp()
      and (p.next_attempt_at, p.org_id) > (after_at, after_org)
    order by p.next_attempt_at, p.org_id limit most
  ), last as (
    select d.next_attempt_at, d.org_id from due d order by d.next_attempt_at desc, d.org_id desc limit 1
  )
  select array(select distinct d.org_id from due d order by 1), (select l.next_attempt_at from last l), (select l.org_id from last l),
    (select count(*) from due) >= most
$$;

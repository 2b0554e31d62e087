-- Tells whether a pin of an org that is not suspended keeps this content after a replace (`holds`). It needs bitmap scans, as is_held does.
-- Locks: nothing.
create or replace function is_held_by_working(of_cid text) returns boolean language sql stable set enable_bitmapscan = on as $$
  select exists (
    select from pins p where p.holds @> array[of_cid]
      and exists (select from orgs o where o.id = p.org_id and o.suspended_at is null))
$$;

-- Adds to what orgs have in bytes, by what pins counted and count now; answers with what those have, and is under way for them, whose sum
-- changed. Locks in the order of orgs.
create or replace function count_bytes(orgs uuid[], was bigint[], becomes bigint[]) returns table (org_id uuid, total bigint)
language sql as $$
  insert into org_usage as u (org_id, bytes)
  select d.org_id, sum(d.becomes - d.was)::bigint from unnest(orgs, was, becomes) as d (org_id, was, becomes)
  group by 1 having sum(d.becomes - d.was) <> 0 order by 1
  on conflict (org_id) do update set bytes = u.bytes + excluded.bytes
  returning u.org_id, u.bytes + u.reserved
$$;
grant execute on function count_bytes to anchorage_tenant;

-- Changes the number of bytes that orgs have: by `becomes - was`, summed for each org. The three arrays have one entry a pin.
-- Locks: the rows of org_usage in the order of orgs. The caller holds the pins.
-- Returns: the orgs whose number changed, with the new total: the bytes of their pins and those reserved for content that still arrives.
create or replace function count_bytes(orgs uuid[], was bigint[], becomes bigint[]) returns table (org_id uuid, total bigint)
language sql as $$
  insert into org_usage as u (org_id, bytes)
  select d.org_id, sum(d.becomes - d.was)::bigint from unnest(orgs, was, becomes) as d (org_id, was, becomes)
  group by 1 having sum(d.becomes - d.was) <> 0 order by 1
  on conflict (org_id) do update set bytes = u.bytes + excluded.bytes
  returning u.org_id, u.bytes + u.reserved
$$;
grant execute on function count_bytes to anchorage_tenant;

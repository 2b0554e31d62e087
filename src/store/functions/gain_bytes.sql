-- Changes the current org's bytes by `gained - lost`, and checks the sum against its limit (null: none). beyond_limits checked that limit
-- earlier, but bytes may have been added since: a content got a size, or bytes were reserved for content that still arrives.
-- Locks: the org's row of org_usage. The caller holds the pins.
-- Raises: 40001 if the org gains bytes and then has more than its limit.
-- It runs with accept_pins' setting of plan_cache_mode: a setting of its own would cost more at each call.
create or replace function gain_bytes(lost bigint, gained bigint, max_bytes bigint) returns void language plpgsql as $$
declare
  total bigint;
begin
  select c.total into total from count_bytes(array[current_org()], array[lost], array[gained]) c;
  if gained > lost and total > max_bytes then raise exception 'the org has more by now' using errcode = '40001'; end if;
end $$;
grant execute on function gain_bytes to anchorage_tenant;

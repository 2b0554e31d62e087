-- How many nodes there are for content: no pin waits for more copies than these. With none at all, for one.
set local role anchorage_system;
create or replace function able_nodes() returns int language sql stable security definer set search_path = public, pg_temp as $$
  select greatest(1, count(*))::int from nodes where state = 'active' and down_at is null
$$;
grant execute on function able_nodes to anchorage_tenant;

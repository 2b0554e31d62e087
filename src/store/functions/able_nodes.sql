-- Counts the nodes that take content: those that are active and not declared down. A pin waits for at most this many copies.
-- Locks: nothing.
-- Returns: the count, or 1 when there is no such node.
set local role anchorage_system;
create or replace function able_nodes() returns int language sql stable security definer set search_path = public, pg_temp as $$
  select greatest(1, count(*))::int from nodes where state = 'active' and down_at is null
$$;
grant execute on function able_nodes to anchorage_tenant;

-- Counts the placements of the current org that wait on each node for an attempt that is not a retry, up to 257. Beyond 256 no more hints
-- are published for the node: it comes to the placements in turn. There is no row when no org is set. Security definer: an org may not read
-- placements.
-- Locks: nothing.
set local role anchorage_system;
create or replace function org_backlog() returns table (node_id uuid, waiting bigint)
language sql stable security definer set search_path = public, pg_temp as $$
  select n.id, (select count(*) from (
      select from placements p
      where p.node_id = n.id and not p.retrying and p.org_id = current_org() and p.state = 'queued' limit 257) q)
  from nodes n where current_org() is not null
$$;
grant execute on function org_backlog to anchorage_tenant;

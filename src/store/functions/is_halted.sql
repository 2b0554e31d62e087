-- Tells whether only suspended orgs wait for the work of this placement. It is true when the placement is queued or pinning, when the
-- content's size is not known, when no node has the content pinned, and when is_worked_for is false. Content that arrived once is kept and
-- repaired, even if only suspended orgs want it.
-- Locks: nothing.
create or replace function is_halted(node uuid, of_cid text) returns boolean language sql stable as $$
  select exists (select from placements p where p.cid = of_cid and p.node_id = node and p.state in ('queued', 'pinning'))
    and exists (select from contents c where c.cid = of_cid and c.dag_size is null)
    and not exists (select from placements p where p.cid = of_cid and p.state = 'pinned')
    and not is_worked_for(of_cid)
$$;

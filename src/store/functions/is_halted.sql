-- Is this placement work that only suspended orgs wait for? What came once is kept, and so repaired, whoever wants it.
create or replace function is_halted(node uuid, of_cid text) returns boolean language sql stable as $$
  select exists (select from placements p where p.cid = of_cid and p.node_id = node and p.state in ('queued', 'pinning'))
    and exists (select from contents c where c.cid = of_cid and c.dag_size is null)
    and not exists (select from placements p where p.cid = of_cid and p.state = 'pinned')
    and not is_worked_for(of_cid)
$$;

-- Decides whether apply_repairs must not apply a repair: the copies are no longer as `seen`; it adds a copy of content that no pin wants,
-- or on a node that is not active; or it drops a pinned copy while fewer than `wanted` other pinned copies count. A copy that is lost or
-- leaving does not count. `dropped`: the nodes whose copies it drops. `needed`: whether a pin wants the content.
-- Locks: nothing. The caller holds hold_nodes, the content and its placements.
-- Returns: true if the repair is stale.
create or replace function repair_is_stale(of_cid text, seen jsonb, additions jsonb, dropped uuid[], lose uuid[], find uuid[], wanted int,
  needed boolean) returns boolean
language sql stable as $$
  select seen <> (select coalesce(jsonb_object_agg(q.node_id, q.generation || ' ' || q.state), '{}') from placements q where q.cid = of_cid)
    or (not needed and additions <> '[]')
    or exists (select from jsonb_array_elements(additions) a
               where not exists (select from nodes n where n.id = (a ->> 'node')::uuid and n.state = 'active'))
    or (exists (select from placements q where q.cid = of_cid and q.node_id = any (dropped) and q.state = 'pinned')
        and (select count(*) from placements q
             where q.cid = of_cid and q.state = 'pinned' and not q.leaving and q.node_id <> all (dropped || lose)
               and (not q.lost or q.node_id = any (find))) < wanted)
$$;

-- Tells why a planned move of a copy cannot begin; null when it can. The caller holds the content's row and the nodes (hold_nodes).
-- Locks: nothing.
create or replace function move_refused(of_cid text, from_node uuid, to_node uuid) returns text language sql stable as $$
  select case
    when not is_wanted(of_cid) then 'no pin wants it any more'
    when not exists (select from placements p where p.cid = of_cid and p.node_id = from_node and p.state = 'pinned'
                     and not p.lost and not p.leaving) then 'its copy is no longer pinned there'
    when exists (select from placements p where p.cid = of_cid and p.node_id = to_node and p.state <> 'unpinning')
      then 'the other node has it by now'
    when not exists (select from nodes n where n.id = to_node and n.state = 'active' and n.down_at is null)
      then 'the other node takes no content' end
$$;

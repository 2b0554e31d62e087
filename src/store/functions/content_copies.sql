-- Reads contents with their copies, as repair needs them. A content that does not exist has no row.
-- Locks: nothing.
-- Returns: rows in no order. `wanted`: the number of copies, 0 if no pin wants the content. `dag_size`: bytes; null until the content was
-- pinned once. `copies`: [{nodeId, generation, state, errorCode, lost, leaving}], in the order of nodes.
create or replace function content_copies(cids text[]) returns table (cid text, wanted int, dag_size bigint, copies jsonb)
language sql stable as $$
  -- the condition is that of is_wanted, written out: a call for each content would cost more
  select c.cid,
    case when exists (select from pins where pins.cid = c.cid and error_code is null) or is_held(c.cid) then c.wanted else 0 end,
    c.dag_size,
    (select coalesce(jsonb_agg(jsonb_build_object('nodeId', p.node_id, 'generation', p.generation, 'state', p.state,
       'errorCode', p.error_code, 'lost', p.lost, 'leaving', p.leaving) order by p.node_id), '[]')
     from placements p where p.cid = c.cid)
  -- `offset 0` keeps the planner from turning the join round: contents are looked up by key, one by one
  from unnest(cids) as u (cid) cross join lateral (select * from contents x where x.cid = u.cid offset 0) c
$$;

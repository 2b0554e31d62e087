-- Contents as repair sees them; `wanted` is 0 when no pin is left. Those that are gone are left out.
create or replace function content_copies(cids text[]) returns table (cid text, wanted int, dag_size bigint, copies jsonb)
language sql stable as $$
  -- as is_wanted, which would be a call for each
  select c.cid, case when exists (select from pins where pins.cid = c.cid and error_code is null) or is_held(c.cid) then c.wanted else 0 end, c.dag_size,
    (select coalesce(jsonb_agg(jsonb_build_object('nodeId', p.node_id, 'generation', p.generation, 'state', p.state,
       'errorCode', p.error_code, 'lost', p.lost, 'leaving', p.leaving) order by p.node_id), '[]')
     from placements p where p.cid = c.cid)
  from unnest(cids) as u (cid) cross join lateral (select * from contents x where x.cid = u.cid offset 0) c
$$;

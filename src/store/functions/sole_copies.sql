-- Takes one step of a walk over a node's placements, in cid order: the next `most` after the cid `after`.
-- Locks: nothing.
-- Returns: one row. `last` is the last cid of the step, or null when the walk is over. `sole` is how many of the step's pinned copies are
-- of content that pins want and that is pinned on no other node; lost copies do not count.
create or replace function sole_copies(node uuid, after text, most int) returns table (last text, sole bigint) language sql stable as $$
  select case when count(*) = most then max(p.cid) end, count(*) filter (where p.state = 'pinned'
    and not exists (select from placements q where q.cid = p.cid and q.node_id <> node and q.state = 'pinned' and not q.lost)
    and (exists (select from pins where pins.cid = p.cid and error_code is null) or is_held(p.cid)))
  from (select x.cid, x.state from placements x where x.node_id = node and x.cid > after order by x.cid limit most) p
$$;

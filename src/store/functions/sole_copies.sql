-- Of a node's placements after a cid: how far one step came (null: it was the last one), and how many of its pinned copies, of what
-- pins want, stand nowhere else.
create or replace function sole_copies(node uuid, after text, most int) returns table (last text, sole bigint) language sql stable as $$
  select case when count(*) = most then max(p.cid) end, count(*) filter (where p.state = 'pinned'
    and not exists (select from placements q where q.cid = p.cid and q.node_id <> node and q.state = 'pinned' and not q.lost)
    and (exists (select from pins where pins.cid = p.cid and error_code is null) or is_held(p.cid)))
  from (select x.cid, x.state from placements x where x.node_id = node and x.cid > after order by x.cid limit most) p
$$;
